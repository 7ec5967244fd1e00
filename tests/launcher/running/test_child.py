from __future__ import annotations

import asyncio
import os
import subprocess
import sys
from collections.abc import Iterator

import psutil
import pytest

from server.launcher.running.child import Child
from tests.fakes.waiting import until

pytestmark = pytest.mark.anyio

SLEEP = "import time; time.sleep(60)"
PARENT = f"import subprocess, sys; subprocess.Popen([sys.executable, '-c', {SLEEP!r}])"


@pytest.fixture
def stranger() -> Iterator[subprocess.Popen[bytes]]:
    """The leader of a group of its own."""
    with subprocess.Popen([sys.executable, "-c", SLEEP], start_new_session=True) as process:
        yield process
        process.kill()


async def spawn(code: str) -> asyncio.subprocess.Process:
    return await asyncio.create_subprocess_exec(sys.executable, "-c", code, start_new_session=True)


async def test_a_stranger_that_was_given_the_pid_is_left_alone(
    stranger: subprocess.Popen[bytes],
) -> None:
    process = await spawn("")
    await process.wait()
    process.pid = stranger.pid
    Child(process).kill()
    with pytest.raises(subprocess.TimeoutExpired):
        stranger.wait(0.2)


async def test_what_a_child_has_left_behind_ends_with_it() -> None:
    process = await spawn(PARENT)
    await process.wait()
    left = [p for p in psutil.process_iter() if _group(p.pid) == process.pid]
    assert len(left) == 1
    Child(process).kill()
    await until(lambda: not left[0].is_running() or left[0].status() == psutil.STATUS_ZOMBIE)


async def test_a_child_that_runs_is_killed() -> None:
    process = await spawn(SLEEP)
    Child(process).kill()
    assert await asyncio.wait_for(process.wait(), 5) == -9


def _group(pid: int) -> int | None:
    try:
        return os.getpgid(pid)
    except ProcessLookupError:
        return None
