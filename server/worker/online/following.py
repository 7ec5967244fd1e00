"""A server that may come and go, and so may its models: followed for as long as we run."""

from __future__ import annotations

import asyncio
import logging
from contextlib import suppress
from dataclasses import dataclass
from random import uniform
from typing import Final, Protocol

from server.clients.servers.asking import Server
from server.clients.servers.found import TALKS, Found
from server.core.errors import ConnectFailed, StartError, TransportError
from server.core.provider_settings import ProviderSettings
from server.wire.fleet import Ability, ModelFacts, Registration
from server.worker.online.discovery import until_found

log = logging.getLogger(__name__)

FOLLOW_S: Final = 5.0
"""How often its models are looked at,"""
ANEW_S: Final = 60.0
"""and what they can do, though they are the same."""
ABSENT_S: Final = 5.0
"""The longest pause between two looks at a server that is not there."""
MISSES: Final = 3
"""One that is busy may be late to answer; after so many times in a row it is not there. Whose port
is closed is not there at once."""


class Host(Protocol):
    """Who speaks for the server while it is there."""

    async def begin(self, found: Found) -> None:
        """It is there."""

    async def change(self, found: Found) -> None:
        """It has become another one."""

    async def end(self, why: str) -> None:
        """It is there no more."""

    def wait_for(self, why: str) -> None:
        """It is not there yet."""


class Follower:
    def __init__(self, server: Server, host: Host, stopping: asyncio.Event) -> None:
        self._server = server
        self._host = host
        self._stopping = stopping
        self._now = asyncio.get_running_loop().time
        self._look = asyncio.Event()

    def look_soon(self) -> None:
        """Somebody has just found it gone."""
        self._look.set()

    async def run(self) -> None:
        """Until we stop."""
        while not self._stopping.is_set():
            found = await until_found(
                self._first, self._host.wait_for, self._stopping, most_s=ABSENT_S
            )
            if found is None:
                return
            log.info("server found", extra={"server": found.label, "models": len(found.models)})
            await self._host.begin(found)
            why = await self._while_there(found)
            if why:
                log.warning("the server is gone", extra={"reason": why})
                await self._host.end(why)

    async def _first(self) -> Found:
        """Raises `StartError`."""
        try:
            found = await self._server.ask()
        except TransportError as error:
            raise StartError(str(error)) from error
        if not found.models:
            raise StartError(f"{self._server.url}: it has no models yet")
        return found

    async def _while_there(self, found: Found) -> str:
        """Why it is not there any more; empty once we stop."""
        misses, details_at = 0, self._now()
        while await self._pause():
            anew = self._now() - details_at >= ANEW_S
            try:
                seen = await self._server.ask(anew=anew)
            except ConnectFailed as error:
                return str(error)
            except TransportError as error:
                misses += 1
                if misses >= MISSES:
                    return str(error)
                continue
            misses = 0
            if anew:
                details_at = self._now()
            if not seen.models:
                return f"{self._server.url}: it has no models any more"
            if seen != found:
                log.info("the server has changed", extra=_changes(found, seen))
                found = seen
                await self._host.change(found)
        return ""

    async def _pause(self) -> bool:
        """False once we stop."""
        self._look.clear()
        waits = [asyncio.create_task(e.wait()) for e in (self._stopping, self._look)]
        try:
            await asyncio.wait(
                waits, timeout=FOLLOW_S * uniform(0.9, 1.1), return_when=asyncio.FIRST_COMPLETED
            )
        finally:
            for wait in waits:
                wait.cancel()
                with suppress(asyncio.CancelledError):
                    await wait
        return not self._stopping.is_set()


def _changes(before: Found, now: Found) -> dict[str, object]:
    return {
        "server": now.label,
        "came": ", ".join(sorted(now.models.keys() - before.models.keys())),
        "went": ", ".join(sorted(before.models.keys() - now.models.keys())),
    }


@dataclass(frozen=True, slots=True)
class Offer:
    """How a server's worker stands in the fleet."""

    settings: ProviderSettings
    empty: Registration
    """Its address, name and the like."""

    def of(self, found: Found) -> Registration:
        facts = {name: self._facts(one) for name, one in found.models.items()}
        able = tuple(dict.fromkeys(a for one in facts.values() for a in one.abilities))
        alike = len(set(facts.values())) == 1
        first = next(iter(facts.values()))
        return self.empty.model_copy(
            update={
                "models": tuple(facts),
                "abilities": able,
                "context_length": first.context_length if alike else None,
                "facts": {} if alike else facts,
                "server": found.label,
            }
        )

    def _facts(self, told: ModelFacts) -> ModelFacts:
        """What the settings say counts, then what the server tells."""
        able: tuple[Ability, ...] = self.settings.abilities or told.abilities or TALKS
        return told.model_copy(update={"abilities": able})
