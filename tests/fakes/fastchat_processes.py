"""FastChat's processes and ours, each on a free port, each ended by its pid."""

from __future__ import annotations

import asyncio
import os
import socket
import sys
import tempfile
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path

import httpx

from server.wire.process import Report, RoleSettings

START_S = 60.0
END_S = 5.0
LOOK_S = 0.05
REPOSITORY = Path(__file__).parents[2]


class Processes:
    """Starts processes that end with the block it came from."""

    def __init__(self, stack: AsyncExitStack, logs: Path) -> None:
        self._stack = stack
        self._logs = logs
        self.running: dict[str, asyncio.subprocess.Process] = {}

    async def fastchat_controller(self) -> str:
        """FastChat's controller as it is."""
        port = free_port()
        url = f"http://127.0.0.1:{port}"
        await self._start(
            "controller", "fastchat.serve.controller", "--host", "127.0.0.1", "--port", str(port)
        )
        await self.until("controller", lambda: _answers("GET", f"{url}/test_connection"))
        return url

    async def fastchat_worker(self, controller: str, model: str = "echo") -> str:
        port = free_port()
        url = f"http://127.0.0.1:{port}"
        name = f"worker {port}"
        await self._start(name, "tests.fakes.fastchat_worker", controller, str(port), model)
        await self.until(name, lambda: _answers("POST", f"{url}/worker_get_status"))
        return url

    async def fastchat_api(self, controller: str) -> str:
        """The base URL for OpenAI's client."""
        port = free_port()
        await self._start("api", "tests.fakes.fastchat_api", controller, str(port))
        url = f"http://127.0.0.1:{port}/v1"
        await self.until("api", lambda: _answers("GET", f"{url}/models"))
        return url

    async def ours(self, module: str, settings: RoleSettings) -> str:
        """One of our processes, started as the launcher does it; its address."""
        child = await self._start(settings.name, module, stdin=settings.model_dump_json())
        assert child.stdout is not None
        async with asyncio.timeout(START_S):
            while line := await child.stdout.readline():
                report = Report.model_validate_json(line)
                assert report.state != "failed", f"{settings.name}: {report.detail}"
                if report.state == "ready":
                    return report.address
        raise AssertionError(f"{settings.name} ended: {self._log(settings.name)}")

    async def until(self, name: str, done: Callable[[], Awaitable[bool]]) -> None:
        """Wait for `done`, no longer than the process `name` lives."""
        try:
            async with asyncio.timeout(START_S):
                while not await done():
                    if self.running[name].returncode is not None:
                        raise AssertionError(f"{name} ended: {self._log(name)}")
                    await asyncio.sleep(LOOK_S)
        except TimeoutError:
            raise AssertionError(f"{name} took too long: {self._log(name)}") from None

    async def _start(
        self, name: str, module: str, *args: str, stdin: str = ""
    ) -> asyncio.subprocess.Process:
        with self._path(name).open("wb") as log:
            child = await asyncio.create_subprocess_exec(
                sys.executable,
                "-m",
                module,
                *args,
                stdin=asyncio.subprocess.PIPE,
                stdout=asyncio.subprocess.PIPE if stdin else log,
                stderr=log,
                cwd=REPOSITORY,
                env=_environment(),
            )
        self.running[name] = child
        self._stack.push_async_callback(_end, child)
        if stdin and child.stdin is not None:
            child.stdin.write(stdin.encode() + b"\n")
        return child

    def _path(self, name: str) -> Path:
        return self._logs / f"{name.replace('/', '_')}.log"

    def _log(self, name: str) -> str:
        return self._path(name).read_text(errors="replace")[-3000:]


@asynccontextmanager
async def processes() -> AsyncIterator[Processes]:
    with tempfile.TemporaryDirectory(prefix="fastchat-") as logs:
        async with AsyncExitStack() as stack:
            yield Processes(stack, Path(logs))


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


async def _answers(method: str, url: str) -> bool:
    try:
        async with httpx.AsyncClient(trust_env=False, timeout=5) as http:
            return (await http.request(method, url)).status_code == 200
    except httpx.HTTPError:
        return False


async def _end(child: asyncio.subprocess.Process) -> None:
    """FastChat's controller does not end by SIGTERM: a thread of its goes on for ever."""
    if child.returncode is None:
        child.terminate()
        try:
            async with asyncio.timeout(END_S):
                await child.wait()
        except TimeoutError:
            child.kill()
            await child.wait()


def _environment() -> dict[str, str]:
    """LOGDIR: empty keeps FastChat from writing log files into the working directory."""
    return os.environ | {"LOGDIR": "", "PYTHONPATH": str(REPOSITORY)}
