"""The ways from the load generator to the upstream: none in between, ours, and those of peers."""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import AsyncExitStack
from dataclasses import dataclass, field
from pathlib import Path

from benchmarks.gateway.process import Process
from benchmarks.gateway.stack import Stack
from server.core.ids import new_secret

DIRECT = "direct"
SHORTLINE = "shortline"
"""The gateway alone: the upstream has joined the fleet as a worker, as any OpenAI server can."""
ONLINE = "shortline online"
"""Gateway and online worker."""
GATEWAY = "gateway"
WORKER = "worker"


def is_ours(way: str) -> bool:
    return way.startswith(SHORTLINE)


@dataclass(frozen=True, slots=True)
class Limits:
    """What can be asked of a way without waiting for ever."""

    most_clients: int = 1024
    """Cases with more are left out."""
    stall_s: float = 5.0
    """An answer of which no byte has come for so long is given up."""
    warm: int = 2
    """Requests of each client before a measurement."""


@dataclass(frozen=True, slots=True)
class Way:
    name: str
    address: str
    processes: Mapping[str, Process] = field(default_factory=dict)
    """Those between client and upstream, by role."""
    ready_s: float | None = None
    """From the start of its process until it could be asked."""
    exact: bool = True
    """Whether it hands on the upstream's bytes unchanged."""
    key: str = ""
    """For `Authorization: Bearer …`."""
    limits: Limits = Limits()


async def open_direct(upstream: str, logs: Path, exits: AsyncExitStack) -> Way:
    return Way(DIRECT, upstream)


async def open_shortline(upstream: str, logs: Path, exits: AsyncExitStack) -> Way:
    key = new_secret()
    stack = Stack(upstream, _folder(logs, "shortline"), exits, key=key)
    address, processes = await stack.start_alone()
    return Way(SHORTLINE, address, processes, stack.ready_s[GATEWAY], key=key)


async def open_several(gateways: int, upstream: str, logs: Path, exits: AsyncExitStack) -> Way:
    """As `open_shortline`, with several gateways on one port."""
    key = new_secret()
    name = several(gateways)
    stack = Stack(upstream, _folder(logs, name), exits, key=key, gateways=gateways)
    address, processes = await stack.start_alone()
    return Way(name, address, processes, key=key)


def several(gateways: int) -> str:
    return f"{SHORTLINE} x{gateways}"


async def open_online(upstream: str, logs: Path, exits: AsyncExitStack) -> Way:
    key = new_secret()
    stack = Stack(upstream, _folder(logs, "online"), exits, key=key)
    address, processes = await stack.start()
    return Way(ONLINE, address, processes, stack.ready_s[GATEWAY], key=key)


def _folder(logs: Path, name: str) -> Path:
    folder = logs / name
    folder.mkdir()
    return folder
