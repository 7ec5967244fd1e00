"""One process: started with its settings on standard input, heard on standard output."""

from __future__ import annotations

import asyncio
import os
import signal
import subprocess
import sys
from collections.abc import AsyncIterator, Mapping
from contextlib import suppress
from pathlib import Path

import psutil
from pydantic import TypeAdapter, ValidationError

from server.launcher.running.logs import open_log
from server.wire.process import RoleSettings, Told

MAX_REPORT_BYTES = 256 * 1024
BURIAL_S = 1.0
"""What takes longer to die is collected with the other orphans."""
_TOLD: TypeAdapter[Told] = TypeAdapter(Told)


class Child:
    """A running process in a session of its own, so that Ctrl-C reaches only the launcher.

    Its standard input stays open: the end of that pipe tells it that we are gone.
    """

    def __init__(self, process: asyncio.subprocess.Process) -> None:
        self._process = process

    @classmethod
    async def spawn(
        cls,
        module: str,
        settings: RoleSettings,
        *,
        environ: Mapping[str, str],
        cwd: Path,
        log: Path,
    ) -> Child:
        """Raises `OSError` when no process can be started."""
        with open_log(log) as errors:
            process = await asyncio.create_subprocess_exec(
                sys.executable,
                "-m",
                module,
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=errors,
                cwd=cwd,
                env=dict(environ),
                start_new_session=True,
                limit=MAX_REPORT_BYTES,
            )
        assert process.stdin is not None
        process.stdin.write(settings.model_dump_json().encode() + b"\n")
        return cls(process)

    @property
    def pid(self) -> int:
        return self._process.pid

    async def reports(self) -> AsyncIterator[Told]:
        """What it says about itself, until it closes its standard output."""
        assert self._process.stdout is not None
        while True:
            try:
                line = await self._process.stdout.readline()
            except ValueError:  # a line longer than the limit; it has been dropped
                continue
            if not line:
                return
            with suppress(ValidationError):
                yield _TOLD.validate_json(line)

    async def wait(self) -> int:
        """Its exit code, negative for a signal."""
        return await self._process.wait()

    def terminate(self) -> None:
        with suppress(ProcessLookupError):
            self._process.terminate()

    def kill(self) -> None:
        """End it and everything it has started, also what it has left behind.

        Once it has been reaped, its pid may be given to a stranger, but not while its group has
        members: so a process that bears the pid then is the stranger, whose group is not ours.
        """
        if self._process.returncode is not None and psutil.pid_exists(self.pid):
            return
        with suppress(ProcessLookupError, PermissionError):
            os.killpg(self.pid, signal.SIGKILL)

    async def bury(self) -> None:
        """After `kill`, collect what it had started: those are our children now (`orphans.py`)."""
        if self._process.returncode is None:  # it would be taken from whoever waits for it
            return
        with suppress(ChildProcessError, TimeoutError):
            async with asyncio.timeout(BURIAL_S):
                while True:
                    pid, _ = os.waitpid(-self.pid, os.WNOHANG)  # noqa: ASYNC222 - it does not wait
                    if not pid:
                        await asyncio.sleep(0.01)


def describe_exit(code: int) -> str:
    """For a sentence such as `it died: killed …`."""
    if code >= 0:
        return f"exit code {code}"
    if code == -signal.SIGKILL:
        return "killed (SIGKILL), perhaps because the machine ran out of memory"
    try:
        return f"ended by {signal.Signals(-code).name}"
    except ValueError:
        return f"ended by signal {-code}"
