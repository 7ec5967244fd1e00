"""Responses in the background: made whether or not somebody waits, until they are cancelled.

    Relay > Interpreter > Absent, in the place of the client

What a process makes, it says every second that it makes it; from a process that says so no more,
nothing is to come. Whoever wants to end a response that another process makes ends it in the file,
and the process hears of it with its next word.
"""

from __future__ import annotations

import asyncio
import logging
from typing import Final

import orjson

from server.core.clock import Clock
from server.core.errors import Internal, Overloaded, RequestError
from server.core.ids import new_id
from server.core.limits import RETRY_AFTER_S
from server.gateway.dialects.kept.archive import Archive
from server.gateway.dialects.responses.absent import Absent
from server.gateway.dialects.responses.document import cancelled
from server.gateway.dialects.responses.making import Making
from server.gateway.dialects.responses.order import Order
from server.gateway.dialects.responses.story import Stories, Story
from server.gateway.dialects.values import Json
from server.gateway.dialects.via import through
from server.gateway.relay import Relay
from server.ledger.responses import Answers
from server.web.asgi import ClientLeft, Scope

log = logging.getLogger(__name__)

BEAT_S: Final = 1.0
MAX_RUNS: Final = 1_000
"""In the background of one process; one more is told 429."""
_TRIES: Final = 5
"""To store an end; afterwards the response is told as lost."""


class Run:
    """One response in the making."""

    def __init__(self, order: Order, story: Story | None) -> None:
        self.order = order
        self.client = Absent(story)
        self.kept = asyncio.Event()
        """It is in the file, or will never be."""
        self.refused: RequestError | None = None
        """Why it came to nothing; who begins it is told so, if it is at once."""

    @property
    def making(self) -> Making:
        return self.order.making


class Runs:
    def __init__(self, relay: Relay, archive: Archive, clock: Clock) -> None:
        self.holder = new_id("run")  # anew at each start: what a dead process held is lost
        self._relay = relay
        self._archive = archive
        self._clock = clock
        self._runs: dict[str, Run] = {}
        self._stories = Stories()
        self._tasks: set[asyncio.Task[None]] = set()
        self._beating: asyncio.Task[None] | None = None

    async def begin(self, scope: Scope, order: Order) -> Run:
        """Ask for it. Raises `RequestError` when limits, or the fleet, refuse it at once.

        It goes on until the end, or until `cancel`; say `kept` when the response is in the file.
        """
        if len(self._runs) >= MAX_RUNS:
            raise Overloaded(
                f"{MAX_RUNS} responses are being made in the background here.",
                retry_after_s=RETRY_AFTER_S,
            )
        run = Run(order, Story(len(self._runs)) if "stream" in order.fields else None)
        scope = {**scope, "state": dict(scope["state"])}
        task = asyncio.create_task(self._make(run, scope), name="making a response")
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        self._runs[order.id] = run
        if self._beating is None:
            self._beating = asyncio.create_task(self._beat(), name="saying what is being made")
        try:
            await run.client.admitted.wait()
            if run.refused is not None:
                raise run.refused
        except BaseException:
            run.client.cancel()
            run.kept.set()
            raise
        return run

    def story(self, id: str) -> Story | None:
        """Of one that is made here as a stream, or was until a while ago."""
        run = self._runs.get(id)
        if run is not None:
            return run.client.story
        return self._stories.find(id, self._clock.monotonic())

    def forget(self, id: str) -> None:
        """It was deleted."""
        self.cancel(id)
        self._stories.drop(id)

    def cancel(self, id: str) -> None:
        """If it is made here."""
        run = self._runs.get(id)
        if run is not None:
            run.client.cancel()

    async def close(self) -> None:
        """After the drain has waited for what was being made, and cut it."""
        tasks = [*self._tasks, *([self._beating] if self._beating else [])]
        for task in tasks:
            task.cancel()
        if tasks:
            await asyncio.wait(tasks)

    async def _make(self, run: Run, scope: Scope) -> None:
        id, client, making = run.order.id, run.client, run.making
        drain = self._relay.drain
        drain.in_flight += 1  # a server that ends waits for it, and then cuts it
        try:
            error = await self._ask(run, scope) or client.error
            if making.document["status"] == "in_progress":
                client.tell(making.failure(error or {}))
            await run.kept.wait()
            await self._store(run.order)
            client.tell(making.last())
        finally:
            del self._runs[id]
            if client.story is not None:
                client.story.end()
                self._stories.add(id, client.story, self._clock.monotonic())
            drain.ended()

    async def _ask(self, run: Run, scope: Scope) -> Json | None:
        """The error in which it ended, if it did."""
        client = run.client
        try:
            order = run.order
            await through(
                self._relay,
                scope,
                client.receive,
                client.send,
                order.fields,
                order.making,
                names=order.names,
            )
            return None
        except ClientLeft:
            run.making.document |= cancelled({})
            return None
        except Exception as error:  # whatever it was, the response must end
            if not isinstance(error, RequestError):
                log.exception("a response in the background failed")
            problem = error if isinstance(error, RequestError) else Internal("It failed here.")
            run.refused = problem
            envelope: Json = problem.envelope()["error"]
            return envelope
        finally:
            client.admitted.set()

    async def _store(self, order: Order) -> None:
        document, added = orjson.dumps(order.making.document), order.addition()
        for _ in range(_TRIES):
            try:
                await self._archive.ask(Answers.finish, order.id, document, added)
                return
            except RequestError as error:
                log.warning("a response could not be kept", extra={"cause": error.message})
                await asyncio.sleep(BEAT_S)

    async def _beat(self) -> None:
        """As long as anything is being made."""
        try:
            while self._runs:
                await asyncio.sleep(BEAT_S)
                ids = [id for id, run in self._runs.items() if run.kept.is_set()]
                if not ids:
                    continue
                try:
                    now = self._clock.wall()
                    wanted = await self._archive.ask(Answers.beat, self.holder, ids, now)
                except RequestError:
                    continue  # whoever looks gives it up only after several
                for id in set(ids) - wanted:
                    self.cancel(id)
        finally:
            self._beating = None
