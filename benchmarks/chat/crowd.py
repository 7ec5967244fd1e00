"""Many streams at once: each with an answer of its own, and all with the same one."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from contextlib import AsyncExitStack
from dataclasses import dataclass, field

import httpx

from benchmarks.chat.asks import listen, question
from benchmarks.chat.bench import Bench, Run
from benchmarks.chat.messages import Job, Seen
from benchmarks.chat.plan import Plan
from benchmarks.chat.stack import ChatStack
from benchmarks.chat.ways import APP, Way
from benchmarks.gateway.answers import MODEL
from benchmarks.gateway.messages import Ask
from benchmarks.gateway.process import Process
from benchmarks.gateway.summary import percentile
from server.wire.browser import MESSAGE_HEADER

_LOOK_S = 0.2
_REST_S = 1.0
"""After which a server that has just been asked something is quiet."""


@dataclass(frozen=True, slots=True)
class Crowd:
    way: str
    streams: int
    whole: int
    first_p50_ms: float
    first_p95_ms: float
    late_p95_ms: float
    """Of the last token, against its time in the upstream's script."""
    cores: float
    """Of the process that faces the clients, on average while it lasted."""


@dataclass(frozen=True, slots=True)
class Following:
    """Many readers of one answer."""

    readers: int
    whole: int
    bytes_each: float
    """Resident memory of the app server for each."""
    cpu_us: float
    """Of the app server, for each token of each reader."""


@dataclass(slots=True)
class Crowds:
    crowds: list[Crowd] = field(default_factory=list)
    seen: list[Seen] = field(default_factory=list)


async def measure_crowds(bench: Bench, ways: Sequence[Way], plan: Plan) -> Crowds:
    found = Crowds()
    for clients in plan.crowds:
        for way in ways:
            target = way.asking(plan.crowd)
            job = Job(targets=(target,), clients=clients, spread_s=plan.crowd_spread_s)
            run = await bench.run(job)
            found.crowds.append(_crowd(way, clients, run, plan.crowd))
            found.seen.append(run.only)
    return found


def _crowd(way: Way, clients: int, run: Run, ask: Ask) -> Crowd:
    seen = run.only
    script_ms = (ask.events - 1) * ask.every_ms
    first = sorted(us / 1000 for us in seen.first_us)
    late = sorted(us / 1000 - script_ms for us in seen.total_us)
    return Crowd(
        way=way.name,
        streams=clients,
        whole=clients - sum(seen.errors.values()),
        first_p50_ms=percentile(first, 0.5),
        first_p95_ms=percentile(first, 0.95),
        late_p95_ms=percentile(late, 0.95),
        cores=run.cpu_s[way.name] / run.tally.seconds,
    )


async def measure_following(bench: Bench, stack: ChatStack, plan: Plan) -> tuple[Following, Seen]:
    """In an app server of its own, because one that had a crowd before has memory to spare."""
    async with AsyncExitStack() as exits:
        app, url = await stack.open_app(exits)
        http = await exits.enter_async_context(
            httpx.AsyncClient(base_url=url, trust_env=False, timeout=None)
        )
        await http.post("/api/chat", json=_body(Ask(events=4), stream=False))
        await asyncio.sleep(_REST_S)
        before, cpu_before = app.resident_bytes(), app.cpu_s()
        asked = http.stream("POST", "/api/chat", json=_body(plan.followed, stream=True))
        answer = await exits.enter_async_context(asked)
        target = listen(APP, url, plan.followed, answer.headers[MESSAGE_HEADER])
        await bench.begin(Job(targets=(target,), clients=plan.readers))
        bench.load.say("go")
        ending = asyncio.create_task(bench.end())
        most = await _most_memory(app, ending)
        seen = (await ending).seen[0]
        cpu_s = app.cpu_s() - cpu_before
    whole = plan.readers - sum(seen.errors.values())
    tokens = plan.readers * plan.followed.events
    each = (most - before) / plan.readers
    return Following(plan.readers, whole, each, cpu_s / tokens * 1e6), seen


async def _most_memory(app: Process, until: asyncio.Task[object]) -> int:
    most = 0
    while not until.done():
        most = max(most, app.resident_bytes())
        await asyncio.wait([until], timeout=_LOOK_S)
    return most


def _body(ask: Ask, *, stream: bool) -> dict[str, object]:
    return {"query": question(ask), "model": MODEL, "stream": stream}
