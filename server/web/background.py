"""Work that a process does beside its requests, and cannot do without."""

from __future__ import annotations

import asyncio
import logging
import signal
from collections.abc import AsyncIterator, Coroutine
from contextlib import asynccontextmanager
from typing import Any

log = logging.getLogger(__name__)


@asynccontextmanager
async def kept_running(work: Coroutine[Any, Any, None], name: str) -> AsyncIterator[None]:
    """Do `work` while the block runs.

    Should it ever end by itself, the process drains and ends, and the launcher starts a sound
    one: better than to go on half alive, with nobody noticing.
    """
    task = asyncio.create_task(work, name=name)
    task.add_done_callback(_end_process)
    try:
        yield
    finally:
        task.remove_done_callback(_end_process)
        task.cancel()
        await asyncio.wait([task])


def _end_process(task: asyncio.Task[None]) -> None:
    error = None if task.cancelled() else task.exception()
    log.critical(
        "a part that must not end has ended", extra={"part": task.get_name()}, exc_info=error
    )
    signal.raise_signal(signal.SIGTERM)
