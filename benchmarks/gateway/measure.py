"""One measurement after another: every way in turn, round by round."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace

from benchmarks.gateway.cases import Case, Plan
from benchmarks.gateway.messages import Job, Ready, Tally
from benchmarks.gateway.process import Process
from benchmarks.gateway.round import PATIENCE_S
from benchmarks.gateway.ways import Way

WARM_S = 60.0
_GRACE_S = 10.0


@dataclass(frozen=True, slots=True)
class Sample:
    """One way, in one case, once."""

    way: str
    case: Case
    tally: Tally
    cpu_s: Mapping[str, float]
    """Processor time of the way's own processes by role, between the first measured request and
    the end of the last."""


@dataclass(frozen=True, slots=True)
class Measured:
    samples: tuple[Sample, ...]
    resident_before: Mapping[str, int]
    """Bytes by role, after the first requests."""
    resident_after: Mapping[str, int]
    ready_s: Mapping[str, float]
    """From the start of its process until it could be asked, by way."""


def turns(plan: Plan, ways: Sequence[Way]) -> Iterator[tuple[Case, Way]]:
    """Interleaved, so that a noisy minute hits all ways alike."""
    for case in plan.cases:
        for _ in range(plan.rounds):
            for way in ways:
                if case.clients <= way.limits.most_clients:
                    yield case, way


async def measure(plan: Plan, ways: Sequence[Way], load: Process) -> Measured:
    for way in ways:
        await sample(load, way, replace(plan.cases[0], clients=1, seconds=0.1))
    before = _resident(ways)
    samples = [await sample(load, way, case) for case, way in turns(plan, ways)]
    ready_s = {way.name: way.ready_s for way in ways if way.ready_s is not None}
    return Measured(tuple(samples), before, _resident(ways), ready_s)


async def sample(load: Process, way: Way, case: Case, *, warm: int | None = None) -> Sample:
    """`warm`: requests of each client before the clock starts; none: what the way wants."""
    load.say(_job(way, case, way.limits.warm if warm is None else warm).model_dump_json())
    Ready.model_validate_json(await load.hear(WARM_S))
    before = {role: process.cpu_s() for role, process in way.processes.items()}
    load.say("go")
    line = await load.hear(case.seconds + PATIENCE_S + _GRACE_S)
    cpu_s = {
        role: max(0.0, process.cpu_s() - before[role])  # less than before: it has ended
        for role, process in way.processes.items()
    }
    return Sample(way.name, case, Tally.model_validate_json(line), cpu_s)


def _job(way: Way, case: Case, warm: int) -> Job:
    return Job(
        url=way.address,
        ask=case.ask,
        clients=case.clients,
        seconds=case.seconds,
        warm=warm,
        max_requests=case.requests,
        exact=way.exact,
        key=way.key,
        stall_s=way.limits.stall_s,
    )


def _resident(ways: Sequence[Way]) -> dict[str, int]:
    return {
        f"{way.name} {role}": process.resident_bytes()
        for way in ways
        for role, process in way.processes.items()
    }
