"""What a peer is: a gateway of others, measured beside ours."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Mapping, Sequence
from contextlib import AsyncExitStack
from dataclasses import dataclass
from pathlib import Path
from time import perf_counter
from types import MappingProxyType
from typing import Protocol

import httpx

from benchmarks.gateway.answers import request_body
from benchmarks.gateway.environment import Unavailable
from benchmarks.gateway.messages import Ask
from benchmarks.gateway.process import Process, ProcessError, running_foreign
from benchmarks.gateway.ways import Limits, Way

START_S = 120.0
_LOOK_S = 0.05
_CALL_S = 10.0
_LAST_LINES = 8


@dataclass(frozen=True, slots=True)
class Place:
    """Where a peer is started."""

    python: str
    """Of its own environment."""
    upstream: str
    logs: Path
    """An empty folder."""
    exits: AsyncExitStack

    async def run(
        self,
        role: str,
        arguments: Sequence[str],
        environment: Mapping[str, str] = MappingProxyType({}),
    ) -> Process:
        """`python ARGUMENTS` in the peer's environment."""
        command = [self.python, *arguments]
        process = running_foreign(role, command, self.logs, environment)
        return await self.exits.enter_async_context(process)


@dataclass(frozen=True, slots=True)
class Started:
    address: str
    processes: Mapping[str, Process]
    """Those between client and upstream, by role."""
    key: str = ""
    """Without which it answers nothing."""


class Peer(Protocol):
    """One file in `peers/`, named as the peer is, with `-` as `_`; it defines `PEER`."""

    @property
    def requirements(self) -> tuple[str, ...]:
        """What pip installs; with versions, because others give other figures."""

    @property
    def limits(self) -> Limits: ...

    @property
    def exact(self) -> bool:
        """Whether it hands on the upstream's bytes unchanged."""

    async def start(self, place: Place) -> Started:
        """Start it in front of the upstream; it need not be ready yet."""


async def open_peer(
    name: str, peer: Peer, python: Path, upstream: str, logs: Path, exits: AsyncExitStack
) -> Way:
    """Started, and asked once. Raises `Unavailable`; then nothing of it is left running."""
    async with AsyncExitStack() as own:
        folder = logs / name
        folder.mkdir()
        begun_s = perf_counter()
        try:
            started = await peer.start(Place(str(python), upstream, folder, own))
            await until_answered(started)
        except (ProcessError, OSError) as error:
            raise Unavailable(f"did not start: {error}") from error
        ready_s = perf_counter() - begun_s
        exits.push_async_callback(own.pop_all().aclose)
    return Way(
        name,
        started.address,
        started.processes,
        ready_s,
        exact=peer.exact,
        key=started.key,
        limits=peer.limits,
    )


async def until_answered(started: Started) -> None:
    """Ask until it has an answer. Raises `ProcessError` if it ends or takes too long."""
    url = f"{started.address}/v1/chat/completions"
    headers = {"content-type": "application/json"}
    if started.key:
        headers["authorization"] = f"Bearer {started.key}"
    begun_s = perf_counter()
    said = "nothing"
    async with httpx.AsyncClient(trust_env=False, timeout=_CALL_S, headers=headers) as http:
        while perf_counter() - begun_s < START_S:
            for process in started.processes.values():
                if process.ended:
                    last = "\n".join(process.tail().splitlines()[-_LAST_LINES:])
                    raise ProcessError(f"{process.name} has ended:\n{last}")
            try:
                answer = await http.post(url, content=request_body(Ask()))
                if answer.status_code == 200:
                    return
                said = f"{answer.status_code} {answer.text[:300]}"
            except httpx.HTTPError as error:
                said = type(error).__name__
            await asyncio.sleep(_LOOK_S)
    raise ProcessError(f"no answer in {START_S:g} s, but {said}")


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port
