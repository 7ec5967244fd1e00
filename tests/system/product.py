"""The whole product as a user starts it, on free ports, in a home of its own."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

import yaml

from server.launcher.running.state import ChildState, LauncherState, read_state
from server.launcher.setup.home import Home

CHECKOUT = Path(__file__).parents[2]
START_S = 120.0
STOP_S = 40.0


class Product:
    def __init__(self, root: Path, *flags: str, environ: Mapping[str, str] | None = None) -> None:
        self.home = Home(root)
        self._output = root / "output.txt"
        with self._output.open("wb") as output:
            self.process = subprocess.Popen(
                [sys.executable, "startup.py", *flags, "--home", str(root)],
                cwd=CHECKOUT,
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
                env={**os.environ, **(environ or {})},
            )

    @property
    def output(self) -> str:
        return self._output.read_text("utf-8")

    def state(self) -> LauncherState:
        state = read_state(self.home.state_file)
        assert state is not None, self.output
        return state

    def child(self, name: str) -> ChildState:
        return next(child for child in self.state().children if child.name == name)

    @property
    def base_url(self) -> str:
        return f"{self.child('openai_api').address}/v1"

    def wait_until_running(self) -> None:
        def running() -> bool:
            assert self.process.poll() is None, self.output
            state = read_state(self.home.state_file)
            return state is not None and state.phase == "running"

        until(running, START_S, lambda: self.output)

    def kill(self, name: str, sig: int = signal.SIGKILL) -> int:
        """Send a signal to one child; its pid."""
        pid = self.child(name).pid
        assert pid is not None
        os.kill(pid, sig)
        return pid

    def stop(self) -> int:
        """As Ctrl-C does; the exit code."""
        self.process.send_signal(signal.SIGINT)
        return self.process.wait(STOP_S)


def until(
    condition: Callable[[], object], limit_s: float, explain: Callable[[], str] = str
) -> None:
    """Wait for `condition()`, and fail with `explain()` after `limit_s`."""
    end = time.monotonic() + limit_s
    while not condition():
        assert time.monotonic() < end, explain()
        time.sleep(0.02)


def write_home(root: Path, *models: Mapping[str, object], **sections: object) -> None:
    """A home with these models, free ports and no providers."""
    fleet = {"controller": {"port": 0}, "openai_api": {"port": 0}, "models": list(models)}
    (root / "configs" / "providers").mkdir(parents=True)
    (root / "configs" / "fleet.yaml").write_text(yaml.safe_dump(fleet | sections), "utf-8")


def echo(name: str = "echo", **changes: object) -> dict[str, object]:
    """A model that repeats what it is told, without weights."""
    return {"name": name, "path": "echo", "engine": "echo", **changes}


@contextmanager
def product(root: Path, *flags: str, environ: Mapping[str, str] | None = None) -> Iterator[Product]:
    """Running; whatever happens, nothing of it is left afterwards."""
    running = Product(root, *flags, environ=environ)
    try:
        running.wait_until_running()
        yield running
    finally:
        if running.process.poll() is None:
            running.process.send_signal(signal.SIGTERM)
            try:
                running.process.wait(STOP_S)
            except subprocess.TimeoutExpired:
                running.process.kill()
                running.process.wait()
