"""The benchmark of the gateway: that it runs, and that its load generator is not fooled."""

from __future__ import annotations

import asyncio
import functools
import subprocess
import sys
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path

import orjson
import pytest

from benchmarks.gateway.answers import bursts, read_ask, request_body
from benchmarks.gateway.client import Client
from benchmarks.gateway.messages import Ask, Job, Tally
from benchmarks.gateway.round import Round, connect
from benchmarks.gateway.upstream import Upstream
from server.clients.origin import Origin

ROOT = Path(__file__).resolve().parents[2]
STREAM = Ask(stream=True, events=20, burst=4, every_ms=1.0)
HEAD = b"HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\ncontent-length: 900000\r\n\r\n"


@pytest.mark.slow
@pytest.mark.system
def test_a_quick_run_answers_everything_and_prints_its_tables(tmp_path: Path) -> None:
    figures = tmp_path / "figures.json"
    found = orjson.loads(benchmark(figures, "--quick", "--online", "--clients", "1,64"))
    assert [(one["case"]["kind"], one["way"]) for one in found["comparisons"]] == [
        (kind, way)
        for kind in ("whole", "whole", "stream", "stream", "paced")
        for way in ("shortline", "shortline online")
    ]
    assert all(one["through"]["requests"] for one in found["comparisons"])
    [errors] = [goal for goal in found["goals"] if goal["words"] == "errors in the whole run"]
    assert errors["met"]


@pytest.mark.slow
@pytest.mark.system
def test_a_soak_counts_every_request_and_reads_the_memory_as_it_goes(tmp_path: Path) -> None:
    found = orjson.loads(benchmark(tmp_path / "figures.json", "--soak", "3000"))
    assert [one["requests"] for one in found["readings"]] == [0, 1000, 2000, 3000]
    assert all(one["resident"] > 10_000_000 for one in found["readings"])
    assert found["errors"] == {}


def benchmark(figures: Path, *options: str) -> bytes:
    command = [sys.executable, "-m", "benchmarks.gateway", *options, "--json", str(figures)]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, done.stdout + done.stderr
    return figures.read_bytes()


@pytest.mark.parametrize("ask", [Ask(events=3), STREAM, Ask(stream=True, events=5, burst=2)])
async def test_every_answer_of_the_fake_upstream_is_complete(ask: Ask) -> None:
    async with serving(Upstream) as url:
        tally = await load(url, ask, clients=3, requests=30)
    assert (tally.requests, tally.errors, tally.stalls) == (30, {}, 0)
    assert tally.tokens == (30 * ask.events if ask.stream else 0)
    assert all(first <= total for first, total in zip(tally.first_us, tally.total_us, strict=True))


async def test_a_cut_answer_is_an_error() -> None:
    async with serving(lambda: Saying(HEAD + bursts(STREAM)[0], then_close=True)) as url:
        tally = await load(url, STREAM, clients=1, requests=2)
    assert (tally.requests, tally.errors) == (0, {"connection lost": 2})


async def test_a_changed_answer_is_an_error() -> None:
    answer = b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\n{}"
    async with serving(lambda: Saying(answer)) as url:
        tally = await load(url, Ask(), clients=1, requests=1)
    assert (tally.requests, tally.errors) == (0, {"not the upstream's bytes": 1})


async def test_an_answer_that_stops_coming_is_a_stall() -> None:
    async with serving(lambda: Saying(HEAD + bursts(STREAM)[0])) as url:
        tally = await load(url, STREAM, clients=1, requests=1, stall_s=0.1)
    assert (tally.requests, tally.errors, tally.stalls) == (0, {}, 1)


async def test_a_way_that_asks_for_a_key_gets_it_with_every_request() -> None:
    heard: list[bytes] = []
    async with serving(
        lambda: Saying(b"HTTP/1.1 401 No\r\ncontent-length: 0\r\n\r\n", heard=heard)
    ) as url:
        await load(url, Ask(), clients=1, requests=2, key="sk-one")
    assert [b"\r\nauthorization: Bearer sk-one\r\n" in request for request in heard] == [True] * 2


async def test_an_answer_written_anew_is_whole_if_it_has_every_token() -> None:
    event = b'data: {"choices": [{"delta": {"content": "word"}}]}\n\n'
    for number, errors in ((20, {}), (19, {"wrong number of events": 1})):
        body = event * number + b"data: [DONE]\n\n"
        head = b"HTTP/1.1 200 OK\r\ncontent-length: %d\r\n\r\n" % len(body)
        async with serving(functools.partial(Saying, head + body)) as url:
            tally = await load(url, STREAM, clients=1, requests=1, exact=False)
        assert tally.errors == errors


def test_a_wish_survives_the_prompt_it_is_written_in() -> None:
    assert read_ask(request_body(STREAM)) == STREAM


class Saying(asyncio.Protocol):
    """Answers whatever comes with the same bytes."""

    def __init__(
        self, answer: bytes, *, then_close: bool = False, heard: list[bytes] | None = None
    ) -> None:
        self._answer = answer
        self._then_close = then_close
        self._heard = [] if heard is None else heard

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self._transport = transport

    def data_received(self, data: bytes) -> None:
        self._heard.append(data)
        self._transport.write(self._answer)
        if self._then_close:
            self._transport.close()


@asynccontextmanager
async def serving(protocol: Callable[[], asyncio.Protocol]) -> AsyncIterator[str]:
    loop = asyncio.get_running_loop()
    server = await loop.create_server(protocol, "127.0.0.1", 0)
    host, port = server.sockets[0].getsockname()
    try:
        yield f"http://{host}:{port}"
    finally:
        server.close()


async def load(
    url: str,
    ask: Ask,
    *,
    clients: int,
    requests: int,
    stall_s: float = 5.0,
    key: str = "",
    exact: bool = True,
) -> Tally:
    job = Job(
        url=url,
        ask=ask,
        clients=clients,
        seconds=10,
        max_requests=requests,
        stall_s=stall_s,
        key=key,
        exact=exact,
    )
    crowd = [Client() for _ in range(clients)]
    for client in crowd:
        await connect(client, Origin.parse(url))
    try:
        return await Round(job, ask, seconds=10, requests=requests).run(crowd)
    finally:
        for client in crowd:
            client.abort()
