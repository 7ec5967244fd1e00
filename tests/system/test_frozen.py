"""Processes that run and answer nobody: the launcher replaces them, as if they had died."""

from __future__ import annotations

import asyncio
import os
import signal
import time
from collections.abc import Iterator
from functools import partial
from pathlib import Path

import httpx
import pytest

from server.core.limits import FROZEN_ASK_S, FROZEN_MISSES
from tests.system.launch import Launch, launched, until, write_home

pytestmark = [pytest.mark.system, pytest.mark.slow]

FROZEN_S = (FROZEN_MISSES + 1) * FROZEN_ASK_S
"""The first question may come `FROZEN_ASK_S` after it froze."""
BACK_S = 15.0
"""For the kill, the back-off and the start, on a busy machine."""
CLIENTS = 12
FROZEN, OTHER = "openai_api#2", "openai_api"
WORKER = "model_worker echo"
QUESTION = {"model": "echo", "messages": [{"role": "user", "content": "one two"}]}


@pytest.fixture(scope="module")
def running(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Launch]:
    home: Path = tmp_path_factory.mktemp("frozen") / "home"
    write_home(home)
    with launched(home, "-a", SHORTLINE_OPENAI_API__WORKERS="2") as started:
        yield started


async def answered_in_s(url: str) -> float:
    """How long a client waits that tries once more when it is cut off."""
    began = time.monotonic()
    for last in (False, True):
        try:
            async with httpx.AsyncClient(timeout=FROZEN_S + BACK_S, trust_env=False) as http:
                answer = await http.post(f"{url}/chat/completions", json=QUESTION)
        except httpx.TransportError:
            if last:
                raise
        else:
            assert answer.status_code == 200, answer.text
            break
    return time.monotonic() - began


def is_new(running: Launch, name: str, old_pid: int) -> bool:
    child = running.child(name)
    return child.status == "ready" and child.pid != old_pid


async def test_a_frozen_gateway_keeps_no_client_for_ever(running: Launch) -> None:
    url, spared = running.base_url, running.child(OTHER).pid
    pid = running.kill(FROZEN, signal.SIGSTOP)
    waits = await asyncio.gather(*(answered_in_s(url) for _ in range(CLIENTS)))
    assert max(waits) < FROZEN_S + BACK_S
    assert max(waits) > 2 * FROZEN_ASK_S, "no client came to the frozen one"
    until(lambda: is_new(running, FROZEN, pid), BACK_S)
    assert running.child(FROZEN).restarts == 1
    assert f"{FROZEN} died: frozen, no answer for 30 s" in running.said()
    assert running.child(OTHER).pid == spared
    assert running.base_url == url
    waits = await asyncio.gather(*(answered_in_s(url) for _ in range(CLIENTS)))
    assert max(waits) < FROZEN_ASK_S


def test_controller_and_app_server_are_replaced_and_a_local_models_worker_is_not(
    running: Launch,
) -> None:
    worker = running.kill(WORKER, signal.SIGSTOP)
    try:
        frozen = {name: running.kill(name, signal.SIGSTOP) for name in ("controller", "api")}
        for name, pid in frozen.items():
            until(partial(is_new, running, name, pid), FROZEN_S + BACK_S)
            assert f"\n{name} died: frozen" in running.said()
        assert running.child(WORKER).pid == worker
    finally:
        os.kill(worker, signal.SIGCONT)
    until(lambda: running.status()["ready"], BACK_S)
