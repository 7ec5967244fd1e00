"""Processes killed, stopped and restarted under load: every request is accounted for."""

from __future__ import annotations

import asyncio
import json
import signal
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest

from server.core.limits import EVICT_S, SUSPECT_S
from tests.system.launch import Launch, is_alive, launched, until, write_home

pytestmark = pytest.mark.system

WORDS = "one two three four five six seven eight nine ten"
WORKERS = ("model_worker echo", "model_worker echo#2", "model_worker echo#3")


@pytest.fixture(scope="module")
def running(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Launch]:
    home: Path = tmp_path_factory.mktemp("faults") / "home"
    write_home(home, replicas=3, slots=8, options={"delay_ms": 20})
    with launched(home, "-a") as started:
        yield started


def served_by(running: Launch) -> int:
    """How many workers the gateway may choose from, by asking the controller's table."""
    try:
        url = f"{running.child('controller').address}/worker_get_status"
        return int(httpx.post(url, trust_env=False).json()["speed"])
    except (httpx.HTTPError, httpx.InvalidURL):
        return 0  # the controller is on its way back


def wait_for_all(running: Launch) -> None:
    until(lambda: served_by(running) == len(WORKERS), 30)


async def ask(client: httpx.AsyncClient, *, stream: bool) -> str:
    """How one request ended: `whole`, `error event`, a status, or `CUT`."""
    body = {"model": "echo", "messages": [{"role": "user", "content": WORDS}], "stream": stream}
    answer = await client.post("/chat/completions", json=body)
    if answer.status_code != 200:
        return str(answer.status_code)
    if not stream:
        said = answer.json()["choices"][0]["message"]["content"]
        return "whole" if said == WORDS else "WRONG"
    events = [json.loads(line[6:]) for line in answer.text.splitlines() if line[:7] == "data: {"]
    done = answer.text.endswith("data: [DONE]\n\n")
    if "error" in events[-1]:
        return "CUT" if done else "error event"
    text = "".join(c["delta"].get("content") or "" for e in events for c in e["choices"])
    return "whole" if done and text == WORDS else "CUT"


async def load(running: Launch, *, stream: bool, requests: int = 60) -> Counter[str]:
    async with httpx.AsyncClient(base_url=running.base_url, timeout=60, trust_env=False) as client:
        gate = asyncio.Semaphore(12)

        async def one() -> str:
            async with gate:
                return await ask(client, stream=stream)

        return Counter(await asyncio.gather(*(one() for _ in range(requests))))


async def under_load(running: Launch, victim: str, sig: int, *, stream: bool) -> Counter[str]:
    loading = asyncio.create_task(load(running, stream=stream))
    await asyncio.sleep(0.5)
    running.kill(victim, sig)
    return await loading


async def test_a_killed_worker_costs_no_whole_answer(running: Launch) -> None:
    wait_for_all(running)
    assert await under_load(running, WORKERS[0], signal.SIGKILL, stream=False) == {"whole": 60}
    wait_for_all(running)


async def test_a_killed_worker_never_makes_a_stream_end_falsely(running: Launch) -> None:
    wait_for_all(running)
    ends = await under_load(running, WORKERS[1], signal.SIGKILL, stream=True)
    assert set(ends) <= {"whole", "error event"}
    assert ends["whole"] >= 60 - 12
    wait_for_all(running)


async def test_a_killed_controller_harms_no_request(running: Launch) -> None:
    wait_for_all(running)
    assert await under_load(running, "controller", signal.SIGKILL, stream=True) == {"whole": 60}
    wait_for_all(running)
    assert await load(running, stream=False, requests=20) == {"whole": 20}


async def test_a_worker_that_hangs_is_noticed_and_comes_back(running: Launch) -> None:
    wait_for_all(running)
    pid = running.kill(WORKERS[2], signal.SIGSTOP)
    try:
        # Requests that wait at the silent worker move on once it is suspected.
        async with asyncio.timeout(SUSPECT_S + 15):
            assert await load(running, stream=False, requests=30) == {"whole": 30}
        until(lambda: served_by(running) == 2, EVICT_S + 5)
    finally:
        running.kill(WORKERS[2], signal.SIGCONT)
    wait_for_all(running)
    assert running.child(WORKERS[2]).pid == pid


async def test_a_killed_gateway_is_back_on_its_port(running: Launch) -> None:
    address = running.base_url
    running.kill("openai_api")
    until(lambda: running.child("openai_api").restarts == 1, 10)
    until(lambda: running.child("openai_api").status == "ready", 15)
    assert running.base_url == address
    wait_for_all(running)
    until(lambda: httpx.get(f"{address}/models", trust_env=False).json()["data"], 5)
    assert await load(running, stream=True, requests=20) == {"whole": 20}


async def test_stopping_lets_streams_finish_and_leaves_nothing(tmp_path: Path) -> None:
    write_home(tmp_path / "home", options={"delay_ms": 150})
    with launched(tmp_path / "home", "-a") as started:
        loading = asyncio.create_task(load(started, stream=True, requests=4))
        await asyncio.sleep(0.5)
        children = started.children()
        started.process.send_signal(signal.SIGINT)
        assert await loading == {"whole": 4}
        assert await asyncio.to_thread(started.wait, 30) == 0
        assert not any(is_alive(child) for child in children)
