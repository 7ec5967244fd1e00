"""How much of the app server's processor time is spent in which package."""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import AsyncExitStack
from dataclasses import dataclass

import httpx

from benchmarks.chat.asks import ask_app
from benchmarks.chat.bench import Bench
from benchmarks.chat.messages import Job, Seen
from benchmarks.chat.plan import CLIENTS, QUESTION, Plan
from benchmarks.chat.profiled import LANGCHAIN, PATH
from benchmarks.chat.stack import ChatStack
from benchmarks.chat.ways import APP

PROFILED = "benchmarks.chat.profiled"


@dataclass(frozen=True, slots=True)
class Share:
    """Of one kind of request."""

    kind: str
    seconds: Mapping[str, float]
    """By package."""

    @property
    def langchain(self) -> float:
        """0 to 1."""
        whole = sum(self.seconds.values())
        return self.seconds.get(LANGCHAIN, 0.0) / whole if whole else 0.0


async def measure_shares(
    bench: Bench, stack: ChatStack, plan: Plan
) -> tuple[list[Share], list[Seen]]:
    shares, seen = [], []
    async with AsyncExitStack() as exits:
        _, url = await stack.open_app(exits, PROFILED)
        http = await exits.enter_async_context(httpx.AsyncClient(base_url=url, trust_env=False))
        jobs = {
            "questions": (QUESTION, CLIENTS, plan.questions),
            "paced tokens": (plan.paced, plan.paced_clients, 1),
            "fast tokens": (plan.fast, CLIENTS, plan.fast_requests),
        }
        await bench.run(Job(targets=(ask_app(APP, url, QUESTION),), requests=3))
        for kind, (ask, clients, requests) in jobs.items():
            await http.get(PATH)
            target = ask_app(APP, url, ask)
            run = await bench.run(
                Job(
                    targets=(target,),
                    clients=clients,
                    requests=requests * plan.rounds,
                    spread_s=ask.every_ms / 1000,
                )
            )
            shares.append(Share(kind, (await http.get(PATH)).json()))
            seen.append(run.only)
    return shares, seen
