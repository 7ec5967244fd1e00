"""Two gateways, two workers: killed, stopped and cut off under load, every request counted."""

from __future__ import annotations

import asyncio
import signal
import socket
from collections import Counter
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from urllib.parse import urlsplit

import httpx
import pytest

from tests.fakes.chaos_proxy import chaos_proxy
from tests.system.launch import Launch, launched, until, write_home
from tests.system.test_faults import ask
from tests.system.test_gateways import GATEWAYS, WORKERS, metrics

pytestmark = [pytest.mark.system, pytest.mark.slow]

CLIENTS = 50
SLOTS = 64
"""Of both workers."""
LOST = "lost"
"""The connection ended before the answer did, and the client knows it."""


class Canary:
    """A proxy in the environment that nobody may use."""

    def __init__(self) -> None:
        self._listener = socket.create_server(("127.0.0.1", 0))
        self._listener.setblocking(False)
        self.url = f"http://127.0.0.1:{self._listener.getsockname()[1]}"

    def visitors(self) -> int:
        count = 0
        while True:
            try:
                self._listener.accept()[0].close()
            except BlockingIOError:
                return count
            count += 1


@pytest.fixture(scope="module")
def canary() -> Canary:
    return Canary()


@pytest.fixture(scope="module")
def running(tmp_path_factory: pytest.TempPathFactory, canary: Canary) -> Iterator[Launch]:
    """In an environment that names a proxy for everything, and certificates that are none."""
    home: Path = tmp_path_factory.mktemp("chaos") / "home"
    write_home(home, replicas=2, slots=SLOTS // 2, options={"delay_ms": 20})
    hostile = {
        name: canary.url
        for word in ("http_proxy", "https_proxy", "all_proxy")
        for name in (word, word.upper())
    }
    hostile |= {"no_proxy": "", "NO_PROXY": "", "SSL_CERT_FILE": "/dev/null"}
    with launched(home, "--llm-api", SHORTLINE_OPENAI_API__WORKERS="2", **hostile) as started:
        yield started


def knows_all(running: Launch) -> bool:
    try:
        return metrics(running).get("shortline_worker_slots") == SLOTS
    except httpx.HTTPError:
        return False


def is_whole(running: Launch) -> bool:
    """Everybody is there, and nothing runs."""
    return (
        all(running.child(name).status == "ready" for name in GATEWAYS + WORKERS)
        and knows_all(running)
        and metrics(running).get("shortline_requests_in_flight", 0) == 0
    )


def is_new(running: Launch, name: str, old_pid: int) -> bool:
    """Another process has taken its place, and the gateways know it."""
    child = running.child(name)
    return child.status == "ready" and child.pid != old_pid and knows_all(running)


async def end_of(client: httpx.AsyncClient, *, stream: bool) -> str:
    try:
        return await ask(client, stream=stream)
    except httpx.TransportError:
        return LOST


async def crowd(url: str, *, stream: bool, rounds: int = 3) -> Counter[str]:
    """Each client on a connection of its own, so that both gateways have some."""

    async def one() -> list[str]:
        async with httpx.AsyncClient(base_url=url, timeout=60, trust_env=False) as client:
            return [await end_of(client, stream=stream) for _ in range(rounds)]

    ends = await asyncio.gather(*(one() for _ in range(CLIENTS)))
    return Counter(end for of_one in ends for end in of_one)


@pytest.mark.parametrize("stream", [False, True])
async def test_a_gateway_killed_under_load_makes_no_false_answer(
    running: Launch, stream: bool
) -> None:
    until(lambda: is_whole(running), 30)
    loading = asyncio.create_task(crowd(running.base_url, stream=stream))
    await asyncio.sleep(0.4)
    running.kill(GATEWAYS[1])
    ends = await loading
    assert ends.total() == 3 * CLIENTS
    assert ends.keys() <= {"whole", LOST}
    # A client loses what was under way there and, at worst, what it sends as the port closes.
    assert ends[LOST] <= 2 * CLIENTS
    until(lambda: is_whole(running), 30)


@pytest.mark.parametrize("stream", [False, True])
async def test_a_gateway_stopped_under_load_goes_on_where_it_was(
    running: Launch, stream: bool
) -> None:
    until(lambda: is_whole(running), 30)
    loading = asyncio.create_task(crowd(running.base_url, stream=stream))
    await asyncio.sleep(0.3)
    running.kill(GATEWAYS[0], signal.SIGSTOP)
    await asyncio.sleep(3)
    running.kill(GATEWAYS[0], signal.SIGCONT)
    assert await loading == {"whole": 3 * CLIENTS}


async def test_a_worker_killed_and_the_controller_with_it_cost_no_whole_answer(
    running: Launch,
) -> None:
    until(lambda: is_whole(running), 30)
    loading = asyncio.create_task(crowd(running.base_url, stream=False))
    await asyncio.sleep(0.4)
    running.kill("controller")
    running.kill(WORKERS[0])
    assert await loading == {"whole": 3 * CLIENTS}
    until(lambda: is_whole(running), 30)


async def test_workers_killed_one_after_the_other_lose_no_whole_answer(running: Launch) -> None:
    until(lambda: is_whole(running), 30)
    url, over = running.base_url, asyncio.Event()

    async def steadily() -> Counter[str]:
        async with httpx.AsyncClient(base_url=url, timeout=60, trust_env=False) as client:
            ends: Counter[str] = Counter()
            while not over.is_set():
                ends[await end_of(client, stream=False)] += 1
            return ends

    loading = asyncio.gather(*(steadily() for _ in range(5)))
    for worker in WORKERS:
        await asyncio.sleep(0.3)
        pid = running.kill(worker)
        await asyncio.to_thread(until, partial(is_new, running, worker, pid), 20)
    over.set()
    ends = sum(await loading, Counter[str]())
    assert ends.keys() == {"whole"}
    assert ends.total() > 20


async def test_a_worker_stopped_under_load_loses_no_answer(running: Launch) -> None:
    until(lambda: is_whole(running), 30)
    loading = asyncio.create_task(crowd(running.base_url, stream=False, rounds=1))
    await asyncio.sleep(0.1)
    pid = running.kill(WORKERS[1], signal.SIGSTOP)
    try:
        assert await loading == {"whole": CLIENTS}
    finally:
        running.kill(WORKERS[1], signal.SIGCONT)
    until(lambda: is_whole(running), 30)
    assert running.child(WORKERS[1]).pid == pid


async def test_clients_reset_and_cut_off_leave_nothing_running(running: Launch) -> None:
    until(lambda: is_whole(running), 30)
    port = urlsplit(running.base_url).port or 0
    with chaos_proxy("127.0.0.1", port) as way:
        loading = asyncio.create_task(crowd(f"{way.url}/v1", stream=True, rounds=10))
        for _ in range(5):
            await asyncio.sleep(0.3)
            way.reset()
        way.black_hole()
        await asyncio.sleep(0.3)
        way.mend()
        ends = await loading
    assert ends.total() == 10 * CLIENTS
    assert ends.keys() <= {"whole", LOST}
    assert ends[LOST] > 0
    until(lambda: is_whole(running), 15)
    until(lambda: metrics(running)["shortline_worker_running"] == 0, 15)
    assert await crowd(running.base_url, stream=True, rounds=1) == {"whole": CLIENTS}


def test_nobody_has_used_the_proxy_of_the_environment(running: Launch, canary: Canary) -> None:
    until(lambda: is_whole(running), 30)
    assert canary.visitors() == 0
