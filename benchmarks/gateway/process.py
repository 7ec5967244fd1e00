"""One process that a benchmark starts: lines in, lines out, ended with the benchmark."""

from __future__ import annotations

import asyncio
import os
import subprocess
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from pathlib import Path
from typing import IO

import psutil

ROOT = Path(__file__).resolve().parents[2]
MAX_LINE_BYTES = 64 * 1024 * 1024
STOP_S = 5.0


class ProcessError(Exception):
    """A process of the benchmark did not do its part."""


class Process:
    def __init__(self, name: str, process: asyncio.subprocess.Process, log: Path) -> None:
        self.name = name
        self._process = process
        self._log = log
        self._usage = psutil.Process(process.pid)

    def cpu_s(self) -> float:
        """Processor time used since its start, its own children included."""
        return sum(_cpu_s(p) for p in (self._usage, *self._usage.children(recursive=True)))

    def resident_bytes(self) -> int:
        processes = (self._usage, *self._usage.children(recursive=True))
        return sum(int(p.memory_info().rss) for p in processes)

    def say(self, line: str) -> None:
        assert self._process.stdin is not None
        self._process.stdin.write(line.encode() + b"\n")

    async def hear(self, within_s: float) -> bytes:
        """Its next line. Raises `ProcessError` with the tail of its log."""
        assert self._process.stdout is not None
        try:
            async with asyncio.timeout(within_s):
                line = await self._process.stdout.readline()
        except TimeoutError as error:
            raise ProcessError(f"{self.name} said nothing for {within_s:g} s") from error
        if not line:
            tail = self._log.read_text(errors="replace")[-2000:]
            raise ProcessError(f"{self.name} has ended:\n{tail}")
        return line

    async def stop(self) -> None:
        """SIGTERM, and SIGKILL for one that does not listen."""
        with suppress(ProcessLookupError):
            self._process.terminate()
        try:
            async with asyncio.timeout(STOP_S):
                await self._process.wait()
        except TimeoutError:
            self._process.kill()
            await self._process.wait()


@asynccontextmanager
async def running(name: str, module: str, logs: Path) -> AsyncIterator[Process]:
    """`python -m module` in a session of its own; what it says on stderr goes to a log."""
    log = logs / f"{name}.log"
    with _open(log) as errors:
        child = await asyncio.create_subprocess_exec(
            sys.executable,
            "-m",
            module,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=errors,
            cwd=ROOT,
            env={**os.environ, "PYTHONPATH": str(ROOT)},
            start_new_session=True,
            limit=MAX_LINE_BYTES,
        )
    process = Process(name, child, log)
    try:
        yield process
    finally:
        await process.stop()


def _open(path: Path) -> IO[bytes]:
    return path.open("wb")


def _cpu_s(process: psutil.Process) -> float:
    times = process.cpu_times()
    return float(times.user + times.system)
