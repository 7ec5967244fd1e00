"""`startup.py` as people start it, in a home of its own, with ports that are free."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import psutil
import yaml

from server.launcher.running.state import read_state
from server.launcher.setup.home import Home
from server.wire.launcher import ChildState

CODE = Path(__file__).parents[2]
ECHO = """\
models:
  - name: echo
    engine: echo
"""
FREE_PORTS = {
    "SHORTLINE_CONTROLLER__PORT": "0",
    "SHORTLINE_OPENAI_API__PORT": "0",
    "SHORTLINE_API__PORT": "0",
}
READY_S = 120.0


def write_home(home: Path, **echo: object) -> None:
    """A home whose one model repeats what it hears; `echo`: more of its settings."""
    fleet = yaml.safe_load(ECHO)
    fleet["models"][0] |= echo
    (home / "configs/providers").mkdir(parents=True)
    (home / "configs/fleet.yaml").write_text(yaml.safe_dump(fleet), "utf-8")


class Launch:
    """One launcher; its output goes to a file beside the home."""

    def __init__(self, home: Path, flags: Sequence[str], environ: dict[str, str]) -> None:
        self.home = home
        self.output = home.with_name(f"{home.name}.out")
        with self.output.open("wb") as out:
            self.process = subprocess.Popen(
                [sys.executable, "startup.py", *flags, "--home", str(home)],
                cwd=CODE,
                env={**os.environ, **environ},
                stdin=subprocess.DEVNULL,
                stdout=out,
                stderr=subprocess.STDOUT,
            )

    def said(self) -> str:
        return self.output.read_text()

    def wait(self, limit_s: float = 10.0) -> int:
        return self.process.wait(limit_s)

    def wait_ready(self) -> None:
        until(
            lambda: "Shortline is ready" in self.said() or self.process.poll() is not None, READY_S
        )
        assert self.process.poll() is None, self.said()

    def child(self, name: str) -> ChildState:
        """What the launcher knows of a child right now."""
        state = read_state(Home(self.home).state_file)
        assert state is not None, self.said()
        return next(child for child in state.children if child.name == name)

    @property
    def base_url(self) -> str:
        """For OpenAI's client."""
        return f"{self.child('openai_api').address}/v1"

    def kill(self, name: str, number: int = signal.SIGKILL) -> int:
        """Send a signal to one child; its pid."""
        pid = self.child(name).pid
        assert pid is not None
        os.kill(pid, number)
        return pid

    def status(self) -> dict[str, Any]:
        shown = command(self.home, "status", "--json")
        return dict(json.loads(shown.stdout))

    def rows(self) -> dict[str, dict[str, Any]]:
        return {row["name"]: row for row in self.status()["processes"]}

    def address(self, name: str) -> str:
        return str(self.rows()[name]["address"])

    def children(self) -> list[psutil.Process]:
        """Taken while they live, so that a later process with the same pid is not one of them."""
        return [psutil.Process(row["pid"]) for row in self.rows().values() if row["pid"]]


@contextmanager
def launched(home: Path, *flags: str, **environ: str) -> Iterator[Launch]:
    """Ready in the block, ended after it whatever happens."""
    launch = Launch(home, flags or ("--llm-api",), {**FREE_PORTS, **environ})
    try:
        launch.wait_ready()
        yield launch
    finally:
        if launch.process.poll() is None:
            launch.process.send_signal(signal.SIGTERM)
            with suppress(subprocess.TimeoutExpired):
                launch.wait(30)
        launch.process.kill()
        launch.process.wait()


def command(home: Path, *words: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "startup.py", *words, "--home", str(home)],
        cwd=CODE,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )


def refused(home: Path, *flags: str, **environ: str) -> str:
    """What a start says that ends with exit code 2 within five seconds."""
    began = time.monotonic()
    launch = Launch(home, flags or ("--llm-api",), {**FREE_PORTS, **environ})
    try:
        code = launch.wait(20)
    finally:
        launch.process.kill()
        launch.process.wait()
    assert code == 2, launch.said()
    assert time.monotonic() - began < 5
    return launch.said()


def is_alive(process: psutil.Process) -> bool:
    """A zombie is dead: in a container nobody may collect it."""
    try:
        return process.is_running() and process.status() != psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return False


def until(condition: Callable[[], object], limit_s: float) -> None:
    end = time.monotonic() + limit_s
    while not condition():
        assert time.monotonic() < end, f"not within {limit_s} s"
        time.sleep(0.05)
