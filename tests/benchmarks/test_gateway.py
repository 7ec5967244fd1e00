"""The benchmark of the gateway: that it runs, and that its load generator is not fooled."""

from __future__ import annotations

import asyncio
import subprocess
import sys
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path

import orjson
import pytest

from benchmarks.gateway import round as round_module
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
    command = [sys.executable, "-m", "benchmarks.gateway", "--quick", "--json", str(figures)]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, done.stdout + done.stderr
    assert "shortline paced" in done.stdout
    assert "met            0 of at most 0  errors in the whole run" in done.stdout
    found = orjson.loads(figures.read_bytes())
    assert [one["case"]["kind"] for one in found["comparisons"]] == [
        *["whole"] * 3,
        *["stream"] * 3,
        "paced",
    ]
    assert all(one["through"]["requests"] for one in found["comparisons"])


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


async def test_an_answer_that_stops_coming_is_a_stall(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(round_module, "STALL_S", 0.1)
    async with serving(lambda: Saying(HEAD + bursts(STREAM)[0])) as url:
        tally = await load(url, STREAM, clients=1, requests=1)
    assert (tally.requests, tally.errors, tally.stalls) == (0, {}, 1)


def test_a_wish_survives_the_prompt_it_is_written_in() -> None:
    assert read_ask(request_body(STREAM)) == STREAM


class Saying(asyncio.Protocol):
    """Answers whatever comes with the same bytes."""

    def __init__(self, answer: bytes, *, then_close: bool = False) -> None:
        self._answer = answer
        self._then_close = then_close

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self._transport = transport

    def data_received(self, data: bytes) -> None:
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


async def load(url: str, ask: Ask, *, clients: int, requests: int) -> Tally:
    job = Job(url=url, ask=ask, clients=clients, seconds=10, max_requests=requests)
    crowd = [Client() for _ in range(clients)]
    for client in crowd:
        await connect(client, Origin.parse(url))
    try:
        return await Round(job, ask, seconds=10, requests=requests).run(crowd)
    finally:
        for client in crowd:
            client.abort()
