"""The ways from the load generator to the upstream: none in between, ours, and later peers.

A peer is one more function in `WAYS`: it starts its processes on `exits` and says where to call.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from contextlib import AsyncExitStack
from dataclasses import dataclass, field
from pathlib import Path
from types import MappingProxyType

from benchmarks.gateway.process import Process
from benchmarks.gateway.stack import Stack

DIRECT = "direct"
SHORTLINE = "shortline"


@dataclass(frozen=True, slots=True)
class Way:
    name: str
    address: str
    processes: Mapping[str, Process] = field(default_factory=dict)
    """Those between client and upstream, by role."""
    exact: bool = True
    """Whether it hands on the upstream's bytes unchanged."""


Opener = Callable[[str, Path, AsyncExitStack], Awaitable[Way]]
"""From the upstream's address, a folder for logs, and where to leave what must be ended."""


async def open_direct(upstream: str, logs: Path, exits: AsyncExitStack) -> Way:
    return Way(DIRECT, upstream)


async def open_shortline(upstream: str, logs: Path, exits: AsyncExitStack) -> Way:
    address, processes = await Stack(upstream, logs, exits).start()
    return Way(SHORTLINE, address, processes)


WAYS: Mapping[str, Opener] = MappingProxyType({DIRECT: open_direct, SHORTLINE: open_shortline})
"""In the order in which each round takes them; `direct` comes first, for the comparison."""
