"""One process that a benchmark starts: lines in, lines out, ended with the benchmark."""

from __future__ import annotations

import asyncio
import ctypes
import os
import signal
import subprocess
import sys
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager, suppress
from pathlib import Path
from types import MappingProxyType
from typing import IO

import psutil

ROOT = Path(__file__).resolve().parents[2]
MAX_LINE_BYTES = 64 * 1024 * 1024
STOP_S = 5.0
_LIBC = ctypes.CDLL(None)
_PR_SET_PDEATHSIG = 1


class ProcessError(Exception):
    """A process of the benchmark did not do its part."""


class Process:
    def __init__(self, name: str, process: asyncio.subprocess.Process, log: Path) -> None:
        self.name = name
        self._process = process
        self._log = log
        self._usage = psutil.Process(process.pid)

    @property
    def ended(self) -> bool:
        return self._process.returncode is not None

    def cpu_s(self) -> float:
        """Processor time used since its start, its own children included; 0 once it has ended."""
        return sum(_cpu_s(one) for one in self._family())

    def resident_bytes(self) -> int:
        return sum(_resident_bytes(one) for one in self._family())

    def tail(self) -> str:
        """What its log said last."""
        return self._log.read_text(errors="replace")[-2000:]

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
            raise ProcessError(f"{self.name} has ended:\n{self.tail()}")
        return line

    async def stop(self) -> None:
        """SIGTERM, and SIGKILL for one that does not listen and for children it leaves behind."""
        family = self._family()
        with suppress(ProcessLookupError):
            self._process.terminate()
        try:
            async with asyncio.timeout(STOP_S):
                await self._process.wait()
        except TimeoutError:
            self._process.kill()
            await self._process.wait()
        for left in family[1:]:
            with suppress(psutil.NoSuchProcess):
                left.kill()

    def _family(self) -> list[psutil.Process]:
        """Itself, then its children and theirs."""
        with suppress(psutil.NoSuchProcess):
            return [self._usage, *self._usage.children(recursive=True)]
        return []


@asynccontextmanager
async def running(name: str, module: str, logs: Path) -> AsyncIterator[Process]:
    """`python -m module`, whose lines can be heard; what it says on stderr goes to a log."""
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


@asynccontextmanager
async def running_foreign(
    name: str,
    command: Sequence[str],
    logs: Path,
    environment: Mapping[str, str] = MappingProxyType({}),
) -> AsyncIterator[Process]:
    """A program of others, which works in a folder of its own below `logs` and is not spoken to.

    `environment` comes on top of ours, in which `PYTHONPATH` is empty.
    """
    log = logs / f"{name}.log"
    folder = _made(logs / f"{name}.d")
    with _open(log) as output:
        child = await asyncio.create_subprocess_exec(
            *command,
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=output,
            cwd=folder,
            env={**os.environ, "PYTHONPATH": "", **environment},
            start_new_session=True,
            preexec_fn=_die_with_us,
        )
    process = Process(name, child, log)
    try:
        yield process
    finally:
        await process.stop()


def _open(path: Path) -> IO[bytes]:
    return path.open("wb")


def _made(folder: Path) -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    return folder


def _die_with_us() -> None:
    """Ours end with their standard input; others would outlive a benchmark that was killed."""
    if sys.platform == "linux":
        _LIBC.prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)


def _cpu_s(process: psutil.Process) -> float:
    with suppress(psutil.NoSuchProcess):
        times = process.cpu_times()
        return float(times.user + times.system)
    return 0.0


def _resident_bytes(process: psutil.Process) -> int:
    with suppress(psutil.NoSuchProcess):
        return int(process.memory_info().rss)
    return 0
