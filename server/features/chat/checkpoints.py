"""Saves what answers say while they say it, so that a crash loses half a second of text."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Mapping
from typing import Protocol

from server.core.errors import RequestError
from server.features.chat.run import Run

log = logging.getLogger(__name__)


class Partials(Protocol):
    async def save(self, partials: Mapping[str, str]) -> None:
        """Store the text so far of each message, in one transaction."""


async def save_all(runs: Mapping[str, Run], store: Partials, every_s: float) -> None:
    """For ever: all answers that have grown since the last time, in one transaction."""
    while True:
        await asyncio.sleep(every_s)
        grown = {id: run for id, run in runs.items() if run.is_dirty}
        if not grown:
            continue
        for run in grown.values():
            run.is_dirty = False
        try:
            await store.save({id: run.text for id, run in grown.items()})
        except RequestError as error:  # storage is locked or full: the next round tries again
            log.warning("partial answers were not saved", extra={"reason": error.message})
            for run in grown.values():
                run.is_dirty = True
