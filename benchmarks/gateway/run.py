"""A whole run: everything started, asked, and ended again."""

from __future__ import annotations

import tempfile
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

from benchmarks.gateway import peers
from benchmarks.gateway.cases import Plan
from benchmarks.gateway.environment import Unavailable, environment
from benchmarks.gateway.measure import measure
from benchmarks.gateway.messages import Listening
from benchmarks.gateway.peer import open_peer
from benchmarks.gateway.process import Process, running
from benchmarks.gateway.results import Results, results
from benchmarks.gateway.soak import Soaked, soak
from benchmarks.gateway.ways import (
    Way,
    open_direct,
    open_online,
    open_several,
    open_shortline,
)

START_S = 15.0


@dataclass(frozen=True, slots=True)
class Prepared:
    pythons: Mapping[str, Path]
    """Of the peers' environments, by name."""
    left_out: Mapping[str, str]
    """Why a peer has none, by name."""


def prepare(names: Sequence[str], home: Path) -> Prepared:
    """Blocks, for minutes where an environment has to be made."""
    pythons, left_out = {}, {}
    for name in names:
        try:
            pythons[name] = environment(home, name, peers.find(name).requirements)
        except Unavailable as error:
            left_out[name] = str(error)
    return Prepared(pythons, left_out)


async def run(plan: Plan, prepared: Prepared, *, online: bool, gateways: int = 1) -> Results:
    """`online`: through an online worker too. `gateways`: through so many on one port too, if
    there is more than one. Raises `ProcessError`."""
    async with AsyncExitStack() as exits:
        logs, upstream, load = await exits.enter_async_context(_ends())
        ways = [
            await open_direct(upstream, logs, exits),
            await open_shortline(upstream, logs, exits),
        ]
        if gateways > 1:
            ways.append(await open_several(gateways, upstream, logs, exits))
        if online:
            ways.append(await open_online(upstream, logs, exits))
        theirs, left_out = await _open_peers(prepared, upstream, logs, exits)
        return results(await measure(plan, [*ways, *theirs], load), left_out)


async def run_soak(requests: int) -> Soaked:
    """Raises `ProcessError`."""
    async with AsyncExitStack() as exits:
        logs, upstream, load = await exits.enter_async_context(_ends())
        return await soak(await open_shortline(upstream, logs, exits), load, requests)


async def _open_peers(
    prepared: Prepared, upstream: str, logs: Path, exits: AsyncExitStack
) -> tuple[list[Way], dict[str, str]]:
    ways, left_out = [], dict(prepared.left_out)
    for name, python in prepared.pythons.items():
        try:
            peer = peers.find(name)
            ways.append(await open_peer(name, peer, python, upstream, logs, exits))
        except Unavailable as error:
            left_out[name] = str(error)
    return ways, left_out


@asynccontextmanager
async def _ends() -> AsyncIterator[tuple[Path, str, Process]]:
    """A folder for logs, and what is at both ends of every way: the upstream's address and the
    load generator."""
    with tempfile.TemporaryDirectory(prefix="bench-") as folder:
        logs = Path(folder)
        async with (
            running("upstream", "benchmarks.gateway.upstream", logs) as upstream,
            running("load", "benchmarks.gateway.load", logs) as load,
        ):
            address = Listening.model_validate_json(await upstream.hear(START_S)).address
            yield logs, address, load
