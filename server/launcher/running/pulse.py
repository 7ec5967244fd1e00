"""Finds out that a process is frozen: it runs, and answers nobody.

One that was paused (SIGSTOP), or whose event loop hangs, does not end by itself and hears no
signal but SIGKILL. Of several gateways on one port it would go on getting its share of new
clients, who would wait for ever. So each is asked `/livez` now and then, which its loop answers.

Workers of local models are not asked. Any library that a model needs may compute for minutes
without letting Python run, and its worker is silent for as long though nothing is wrong; to load
the model once more may cost more than to wait. They harm nobody meanwhile: the controller suspects
a silent worker after `SUSPECT_S`, and requests go to others.
"""

from __future__ import annotations

import asyncio
import logging
from contextlib import suppress
from typing import Final

from server.clients.calls import fetch
from server.clients.http import HTTPClient
from server.clients.origin import Origin
from server.core.clock import Clock
from server.core.errors import TransportError
from server.core.limits import FROZEN_ASK_S, FROZEN_LATE_S, FROZEN_MISSES
from server.launcher.setup.plan import Role

log = logging.getLogger(__name__)

ASKED: Final[tuple[Role, ...]] = ("controller", "openai_api", "api", "online_api")
_NEVER_S: Final = 4 * FROZEN_MISSES * FROZEN_ASK_S
"""No question is open for so long."""


def is_watched(role: Role) -> bool:
    """Whether a process of this role is replaced once it is frozen."""
    return role in ASKED


async def until_frozen(address: str, clock: Clock) -> str:
    """Watch the process that listens at `address`. Returns once it is frozen, with why it must end.

    What it was asked before stays open: a late answer is one. Whoever answers anything, refuses a
    connection or hangs up is not frozen.
    """
    http = HTTPClient(connect_s=_NEVER_S)
    origin = Origin.parse(address)
    questions: set[asyncio.Task[None]] = set()
    missed = 0
    try:
        while missed < FROZEN_MISSES:
            began = clock.monotonic()
            questions.add(asyncio.create_task(_ask(http, origin)))
            answered, _ = await asyncio.wait(
                questions, timeout=FROZEN_ASK_S, return_when=asyncio.FIRST_COMPLETED
            )
            if not answered and clock.monotonic() - began < FROZEN_ASK_S + FROZEN_LATE_S:
                missed += 1
                continue
            missed = 0
            await _drop(questions)
            if answered:
                await asyncio.sleep(FROZEN_ASK_S)
    finally:
        await _drop(questions)
        http.close()
    log.warning("a process is frozen", extra={"address": address})
    return f"frozen, no answer for {FROZEN_MISSES * FROZEN_ASK_S:g} s, so it was killed"


async def _ask(http: HTTPClient, origin: Origin) -> None:
    with suppress(TransportError):  # what refuses or hangs up runs
        await fetch(http, origin, b"/livez", method=b"GET", within_s=_NEVER_S)


async def _drop(questions: set[asyncio.Task[None]]) -> None:
    for question in questions:
        question.cancel()
    await asyncio.gather(*questions, return_exceptions=True)
    questions.clear()
