"""Time to the first token: one client, one way after the other, request by request."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

from benchmarks.chat.asks import ask_app, ask_gateway
from benchmarks.chat.bench import Bench
from benchmarks.chat.messages import Job, Seen
from benchmarks.chat.plan import FIRST, Plan
from benchmarks.chat.ways import APP, GATEWAY, Way, make_conversation
from benchmarks.gateway.summary import percentile

NEW = "new conversation"
OLD = "existing conversation"


@dataclass(frozen=True, slots=True)
class FirstToken:
    """Milliseconds, of all rounds together."""

    place: str
    way: str
    requests: int
    p50_ms: float
    p95_ms: float
    direct_p50_ms: float
    direct_p95_ms: float
    """The gateway's own, asked in turn with this way."""

    @property
    def added_p50_ms(self) -> float:
        return self.p50_ms - self.direct_p50_ms

    @property
    def added_p95_ms(self) -> float:
        return self.p95_ms - self.direct_p95_ms


@dataclass(slots=True)
class Latency:
    firsts: list[FirstToken] = field(default_factory=list)
    seen: list[Seen] = field(default_factory=list)


async def measure_latency(bench: Bench, ways: Sequence[Way], plan: Plan) -> Latency:
    app = next(way for way in ways if way.name == APP)
    gateway = next(way for way in ways if way.name == GATEWAY)
    place = await make_conversation(app.url, FIRST)
    targets = [way.asking(FIRST) for way in ways]
    old = [
        ask_gateway(f"{GATEWAY} {OLD}", gateway.url, FIRST, place),
        ask_app(f"{APP} {OLD}", app.url, FIRST, place),
    ]
    await bench.run(Job(targets=(*targets, *old), requests=2))
    found = Latency()
    for _ in range(plan.rounds):
        run = await bench.run(Job(targets=(*targets, *old), requests=plan.first_requests))
        found.seen += run.tally.seen
    direct = {NEW: targets[0].name, OLD: old[0].name}
    for target, at in (*((t, NEW) for t in targets[1:]), (old[1], OLD)):
        way = target.name.removesuffix(f" {at}")
        found.firsts.append(_compare(at, way, found.seen, target.name, direct[at]))
    return found


def _compare(place: str, way: str, seen: Sequence[Seen], mine: str, direct: str) -> FirstToken:
    ours, theirs = _firsts(seen, mine), _firsts(seen, direct)
    return FirstToken(
        place=place,
        way=way,
        requests=len(ours),
        p50_ms=percentile(ours, 0.5),
        p95_ms=percentile(ours, 0.95),
        direct_p50_ms=percentile(theirs, 0.5),
        direct_p95_ms=percentile(theirs, 0.95),
    )


def _firsts(seen: Sequence[Seen], name: str) -> list[float]:
    return sorted(us / 1000 for one in seen if one.name == name for us in one.first_us)
