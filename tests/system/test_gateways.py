"""Several gateways on one port, failover, hang-ups and keys, in the product as people start it."""

from __future__ import annotations

import asyncio
import json
import random
import re
import signal
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest

from tests.system.launch import Launch, command, launched, until, write_home
from tests.system.test_faults import load

pytestmark = [pytest.mark.system, pytest.mark.slow]

WORDS = " ".join(f"word{number}" for number in range(60))
GATEWAYS = ("openai_api", "openai_api#2")


@pytest.fixture(scope="module")
def running(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Launch]:
    home: Path = tmp_path_factory.mktemp("gateways") / "home"
    write_home(home, replicas=2, slots=16, options={"delay_ms": 20})
    with launched(home, "--llm-api", SHORTLINE_OPENAI_API__WORKERS="2") as started:
        yield started


def metrics(running: Launch) -> dict[str, float]:
    """Every figure, added up over what tells them apart."""
    text = httpx.get(running.base_url.removesuffix("/v1") + "/metrics", trust_env=False).text
    found: Counter[str] = Counter()
    for line in text.splitlines():
        match = re.fullmatch(r"(shortline_\w+?)(?:\{.*\})? (\S+)", line)
        if match:
            found[match[1]] += float(match[2])  # type: ignore[assignment]
    return dict(found)


def question(**more: object) -> dict[str, object]:
    return {"model": "echo", "messages": [{"role": "user", "content": WORDS}], **more}


async def test_one_of_two_gateways_killed_costs_no_new_request(running: Launch) -> None:
    addresses = {running.child(name).address for name in GATEWAYS}
    assert len(addresses) == 1
    assert await load(running, stream=True, requests=40) == {"whole": 40}
    running.kill(GATEWAYS[0])
    async with httpx.AsyncClient(base_url=running.base_url, timeout=30, trust_env=False) as client:
        answers = [await client.post("/chat/completions", json=question()) for _ in range(10)]
    assert {answer.status_code for answer in answers} == {200}
    until(lambda: running.child(GATEWAYS[0]).restarts == 1, 10)
    until(lambda: running.child(GATEWAYS[0]).status == "ready", 15)
    assert {running.child(name).address for name in GATEWAYS} == addresses


async def test_a_greedy_answer_outlives_its_worker(running: Launch) -> None:
    """The worker is killed when half of the answer is there."""
    until(lambda: metrics(running).get("shortline_worker_slots") == 32, 20)
    text, resumed, done = "", 0, False
    body = question(stream=True, temperature=0)
    async with (
        httpx.AsyncClient(base_url=running.base_url, timeout=30, trust_env=False) as client,
        client.stream("POST", "/chat/completions", json=body) as answer,
    ):
        async for line in answer.aiter_lines():
            done = done or line == "data: [DONE]"
            if not line.startswith("data: {"):
                continue
            chunk = json.loads(line[6:])
            text += chunk["choices"][0]["delta"].get("content") or ""
            resumed += "shortline" in chunk
            if not resumed and text.endswith("word30"):
                busy = next(name for name in WORKERS if is_busy(running, name))
                running.kill(busy)
    assert (text, resumed, done) == (WORDS, 1, True)


WORKERS = ("model_worker echo", "model_worker echo#2")


def is_busy(running: Launch, worker: str) -> bool:
    text = httpx.get(running.base_url.removesuffix("/v1") + "/metrics", trust_env=False).text
    lines = [line for line in text.splitlines() if f'worker="{worker}@' in line]
    counts = [line for line in lines if line.startswith("shortline_worker_in_flight")]
    return sum(float(line.rpartition(" ")[2]) for line in counts) > 0


async def test_five_hundred_hang_ups_leave_no_slot_taken(running: Launch) -> None:
    """At random moments, streaming or not; each wastes one step of its worker at most."""
    until(lambda: metrics(running).get("shortline_worker_slots") == 32, 20)
    before = metrics(running)
    chance = random.Random(5)
    async with httpx.AsyncClient(base_url=running.base_url, trust_env=False) as client:

        async def hang_up() -> None:
            body = question(stream=chance.random() < 0.5)
            try:
                async with asyncio.timeout(chance.uniform(0.0, 0.6)):
                    await client.post("/chat/completions", json=body, timeout=30)
            except TimeoutError:
                pass

        gate = asyncio.Semaphore(24)

        async def one() -> None:
            async with gate:
                await hang_up()

        await asyncio.gather(*(one() for _ in range(500)))
    until(lambda: metrics(running)["shortline_requests_in_flight"] == 0, 10)
    until(lambda: metrics(running)["shortline_worker_running"] == 0, 10)
    after = metrics(running)
    left = after["shortline_worker_cancelled_total"] - before["shortline_worker_cancelled_total"]
    tokens = "shortline_worker_tokens_after_cancel_total"
    assert left >= 100
    assert after[tokens] - before[tokens] <= left
    assert await load(running, stream=False, requests=20) == {"whole": 20}


def status(url: str, body: object, **headers: str) -> int:
    return httpx.post(url, json=body, headers=headers, trust_env=False, timeout=30).status_code


def test_a_key_made_while_it_runs_closes_the_port_and_outlives_a_restart(tmp_path: Path) -> None:
    home = tmp_path / "home"
    write_home(home)
    with launched(home, "-a") as started:
        url = f"{started.base_url}/chat/completions"
        assert status(url, question()) == 200
        made = command(home, "key", "create", "alice", "--rpm", "2")
        found = re.search(r"sk-sl-[\w-]+", made.stdout)
        assert found is not None, made.stderr
        key = f"Bearer {found[0]}"
        until(lambda: status(url, question()) == 401, 5)
        assert [status(url, question(), authorization=key) for _ in range(3)] == [200, 200, 429]
        around = f"{started.child('controller').address}/worker_generate"
        asked = {"model": "echo", "prompt": "a b", "temperature": 0, "max_new_tokens": 3}
        until(lambda: status(around, asked) == 401, 10)  # no way around the keys
        chat = f"{started.child('api').address}/api/chat"
        assert status(chat, {"query": "hello", "stream": False}) == 200
        started.process.send_signal(signal.SIGINT)
        assert started.wait(30) == 0
    with launched(home, "--llm-api") as started:
        url = f"{started.base_url}/chat/completions"
        assert status(url, question()) == 401
        assert status(url, question(), authorization=key) == 200
        until(lambda: " 3 " in command(home, "key", "usage", "alice").stdout, 10)
