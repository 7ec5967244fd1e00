"""A model that can answer nothing any more."""

from __future__ import annotations

import asyncio

from server.core.settings import ModelSettings
from server.worker.engine import Engine, Say
from server.worker.engines import load_engine
from tests.fakes.waiting import until
from tests.fakes.worker import local_worker


async def test_the_launcher_is_told_so_that_it_starts_another_process() -> None:
    engines: list[Engine] = []

    def load(settings: ModelSettings, say: Say) -> Engine:
        engines.append(load_engine(settings, say))
        return engines[0]

    async with local_worker(load=load) as worker:
        before = [report.state for report in worker.said.reports]
        await asyncio.to_thread(engines[0].when_failed, "the model has failed: of itself")
        await until(lambda: len(worker.said.reports) > len(before))
        last = worker.said.reports[-1]
    assert "failed" not in before
    assert (last.state, last.detail) == ("failed", "the model has failed: of itself")
