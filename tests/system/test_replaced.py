"""Workers are replaced while they work: no request is lost, and none is asked twice."""

from __future__ import annotations

import asyncio
import json
from functools import partial
from pathlib import Path
from typing import Any

import httpx
import pytest

from tests.fakes.waiting import until
from tests.system.launch import Launch, command, launched, write_home

pytestmark = [pytest.mark.system, pytest.mark.slow]

DRAIN_S = "1"
"""Of the product: much less than an answer takes."""
DELAY_MS = 50
WORDS = " ".join(f"word{number}" for number in range(80))
WORKERS = ("model_worker echo", "model_worker echo#2")


def question(*, stream: bool) -> dict[str, Any]:
    """Drawn by chance, so that nobody else could go on with its answer."""
    messages = [{"role": "user", "content": WORDS}]
    return {"model": "echo", "temperature": 1, "stream": stream, "messages": messages}


async def whole(client: httpx.AsyncClient, number: int) -> str:
    headers = {"x-request-id": f"replaced-{number}"}
    answer = await client.post("/chat/completions", json=question(stream=False), headers=headers)
    assert answer.status_code == 200, answer.text
    text: str = answer.json()["choices"][0]["message"]["content"]
    return text


async def streamed(client: httpx.AsyncClient, number: int) -> str:
    text, done = "", False
    headers = {"x-request-id": f"replaced-{number}"}
    body = question(stream=True)
    async with client.stream("POST", "/chat/completions", json=body, headers=headers) as answer:
        async for line in answer.aiter_lines():
            done = done or line == "data: [DONE]"
            if line.startswith("data: {"):
                text += json.loads(line[6:])["choices"][0]["delta"].get("content") or ""
    assert done
    return text


def pids(launch: Launch) -> dict[str, int | None]:
    return {name: launch.child(name).pid for name in WORKERS}


def is_new(launch: Launch, name: str, before: int | None) -> bool:
    child = launch.child(name)
    return child.status == "ready" and child.pid != before


async def test_workers_are_replaced_one_by_one_and_no_request_notices(tmp_path: Path) -> None:
    home = tmp_path / "home"
    write_home(home, replicas=2, options={"delay_ms": DELAY_MS})
    with launched(home, SHORTLINE_LAUNCHER__DRAIN_S=DRAIN_S) as launch:
        before = pids(launch)
        async with httpx.AsyncClient(
            base_url=launch.base_url, timeout=60, trust_env=False
        ) as client:
            asks = [(streamed if number % 2 else whole)(client, number) for number in range(8)]
            asked = [asyncio.create_task(ask) for ask in asks]
            await asyncio.sleep(0.5)  # all of them are at work
            for name in WORKERS:
                done = await asyncio.to_thread(command, home, "worker", "restart", name)
                assert done.returncode == 0, done.stdout + done.stderr
                await until(partial(is_new, launch, name, before[name]), limit_s=60)
            assert await asyncio.gather(*asked) == [WORDS] * len(asked)
        assert not set(before.values()) & set(pids(launch).values())
        for number in range(len(asked)):
            told = command(home, "explain", "--json", f"replaced-{number}")
            assert json.loads(told.stdout)["tries"] == 1, told.stdout
