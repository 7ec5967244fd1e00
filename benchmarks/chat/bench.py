"""Runs one job at a time, and says what it cost whom."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from benchmarks.chat.load import LIMIT_S
from benchmarks.chat.messages import Job, Seen, Tally
from benchmarks.gateway.messages import Ready
from benchmarks.gateway.process import Process

CONNECT_S = 60.0


@dataclass(frozen=True, slots=True)
class Run:
    """One job and its cost."""

    tally: Tally
    cpu_s: Mapping[str, float]
    """By role, from the first request to the end of the last."""

    @property
    def only(self) -> Seen:
        """Of a job with one target."""
        (seen,) = self.tally.seen
        return seen


@dataclass(frozen=True, slots=True)
class Bench:
    load: Process
    processes: Mapping[str, Process]
    """Whose processor time is counted, by role."""

    async def run(self, job: Job) -> Run:
        await self.begin(job)
        before = self._cpu_s()
        self.load.say("go")
        tally = await self.end()
        after = self._cpu_s()
        return Run(tally, {role: after[role] - before[role] for role in after})

    async def begin(self, job: Job) -> None:
        """Connected, and nothing asked yet."""
        self.load.say(job.model_dump_json())
        Ready.model_validate_json(await self.load.hear(CONNECT_S))

    async def end(self) -> Tally:
        return Tally.model_validate_json(await self.load.hear(2 * LIMIT_S))

    def _cpu_s(self) -> dict[str, float]:
        return {role: process.cpu_s() for role, process in self.processes.items()}
