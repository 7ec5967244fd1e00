"""A process that may open few files, and one that may open none any more (C12)."""

from __future__ import annotations

import json
import resource
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit

import psutil
import pytest
from pydantic import SecretStr

from server.core.settings import ControllerSettings
from server.web.http1 import service
from server.wire.process import ControllerProcess

CODE = Path(__file__).parents[2]
FILES = 160
MOST = FILES - service._SPARE_FILES
"""Connections that such a process takes."""
GET = b"GET /livez HTTP/1.1\r\nhost: 127.0.0.1\r\n\r\n"
WATCHED_S = 1.0
IDLE_S = 0.2
"""Processor time in `WATCHED_S` of a process that tries again now and then; one that turns in a
circle takes all there is."""


@dataclass(frozen=True, slots=True)
class Server:
    process: psutil.Process
    place: tuple[str, int]

    def connect(self) -> socket.socket:
        return socket.create_connection(self.place, timeout=5)

    def asks(self) -> bytes:
        """What one who comes now is answered; empty if it was hung up on."""
        with self.connect() as client:
            client.sendall(GET)
            try:
                return client.recv(65536)
            except ConnectionResetError:
                return b""

    def worked_s(self) -> float:
        """Processor time, while somebody watches."""
        before = self.process.cpu_times()
        time.sleep(WATCHED_S)
        after = self.process.cpu_times()
        return after.user + after.system - before.user - before.system

    def may_open(self, files: int) -> None:
        hard = resource.prlimit(self.process.pid, resource.RLIMIT_NOFILE)[1]
        resource.prlimit(self.process.pid, resource.RLIMIT_NOFILE, (files, hard))


@pytest.fixture
def server() -> Iterator[Server]:
    """A controller with a limit of `FILES`; any process serves as it does."""
    settings = ControllerProcess(
        name="controller", secret=SecretStr("s" * 32), controller=ControllerSettings(port=0)
    )
    process = subprocess.Popen(
        [sys.executable, "-m", "server.controller"],
        cwd=CODE,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
    )
    assert process.stdin is not None
    assert process.stdout is not None
    try:
        resource.prlimit(process.pid, resource.RLIMIT_NOFILE, (FILES, FILES))
        process.stdin.write(settings.model_dump_json().encode() + b"\n")
        process.stdin.flush()
        parts = urlsplit(json.loads(process.stdout.readline())["address"])
        yield Server(psutil.Process(process.pid), (parts.hostname or "", parts.port or 0))
    finally:
        process.kill()
        process.wait()
        process.stdin.close()
        process.stdout.close()


def until_served(server: Server, limit_s: float) -> None:
    end = time.monotonic() + limit_s
    while not server.asks().startswith(b"HTTP/1.1 200 "):
        assert time.monotonic() < end
        time.sleep(0.05)


def test_one_more_than_there_are_files_for_is_told_503_and_idle_ones_cost_nothing(
    server: Server,
) -> None:
    with ExitStack() as idle:
        for _ in range(MOST):
            idle.enter_context(server.connect())
        assert server.asks().startswith(b"HTTP/1.1 503 ")
        assert server.worked_s() < IDLE_S
    until_served(server, 5)


def test_a_process_without_files_waits_and_serves_again_when_it_has_some(server: Server) -> None:
    assert server.asks().startswith(b"HTTP/1.1 200 ")
    server.may_open(server.process.num_fds())
    with ExitStack() as waiting:
        for _ in range(20):
            waiting.enter_context(server.connect())
        assert server.worked_s() < IDLE_S
        server.may_open(FILES)
        until_served(server, 5)
    assert server.process.is_running()
