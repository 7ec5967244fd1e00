"""The answers being made right now: one task each, and all the ways in which they end."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Literal, Protocol

from server.core.errors import Internal, RequestError
from server.features.chat.checkpoints import Partials, save_all
from server.features.chat.generation import Generation
from server.features.chat.run import Run
from server.store.messages import Outcome
from server.wire.browser import DoneFrame, ErrorFrame, LeftOut, MessageStatus, Problem

log = logging.getLogger(__name__)

Cut = Literal["stopped", "abandoned", "server_stopped"]
STORE_TRIES = 5
STORE_PAUSE_S = 1.0
END_S = 5.0
"""For storing all answers when the server stops."""
_WHY: dict[Cut, str] = {
    "stopped": "This answer was stopped.",
    "abandoned": "Nobody was listening any more, so the answer was ended.",
    "server_stopped": "The server was stopped while this answer was being made.",
}


class Store(Partials, Protocol):
    async def finish(self, id: str, outcome: Outcome, left_out: LeftOut | None = None) -> bool:
        """Store how an answer ended; False when that was done before."""


@dataclass(slots=True, eq=False)
class Answering:
    """One answer being made."""

    owner: str
    run: Run
    generation: Generation
    name: Callable[[], Awaitable[str]]
    """Says what the conversation is called now."""
    making: asyncio.Task[None]
    cut: Cut | None = None
    grace: asyncio.TimerHandle | None = None

    def end_because(self, cut: Cut) -> None:
        if self.cut is None:
            self.cut = cut
            self.making.cancel()


class Answers:
    def __init__(self, store: Store, *, grace_s: float, checkpoint_s: float) -> None:
        """`grace_s`: how long an answer goes on that nobody listens to."""
        self._store = store
        self._grace_s = grace_s
        self._checkpoint_s = checkpoint_s
        self._live: dict[str, Answering] = {}
        self._runs: dict[str, Run] = {}
        self._tasks: set[asyncio.Task[None]] = set()

    def __len__(self) -> int:
        return len(self._live)

    @asynccontextmanager
    async def running(self) -> AsyncIterator[None]:
        """Save what is written while the block runs; end all answers when it ends."""
        saving = asyncio.create_task(save_all(self._runs, self._store, self._checkpoint_s))
        try:
            yield
        finally:
            self.end_all()
            if self._tasks:
                await asyncio.wait(set(self._tasks), timeout=END_S)
            saving.cancel()
            await asyncio.wait([saving])

    def end_all(self) -> None:
        """The server must end; what has been written is stored as interrupted."""
        for answering in list(self._live.values()):
            answering.end_because("server_stopped")

    def find(self, owner: str, message_id: str) -> Answering | None:
        answering = self._live.get(message_id)
        return answering if answering is not None and answering.owner == owner else None

    def of_conversation(self, owner: str, conversation_id: str) -> list[Answering]:
        return [
            answering
            for answering in self._live.values()
            if answering.owner == owner and answering.run.conversation_id == conversation_id
        ]

    def start(
        self, owner: str, run: Run, generation: Generation, name: Callable[[], Awaitable[str]]
    ) -> None:
        """Make the answer, in a task that belongs to nobody's connection."""
        making = asyncio.create_task(generation.make())
        answering = Answering(owner, run, generation, name, making)
        self._live[run.message.id] = answering
        self._runs[run.message.id] = run
        run.alone = lambda alone: self._note(answering, alone)
        self._note(answering, alone=True)
        task = asyncio.create_task(self._see_through(answering))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    def _note(self, answering: Answering, alone: bool) -> None:
        """Whoever lost the connection has some time to come back."""
        if answering.grace is not None:
            answering.grace.cancel()
            answering.grace = None
        if alone and not answering.making.done():
            answering.grace = asyncio.get_running_loop().call_later(
                self._grace_s, answering.end_because, "abandoned"
            )

    async def _see_through(self, answering: Answering) -> None:
        """From the first token to the last frame, whatever happens."""
        began = asyncio.get_running_loop().time()
        run = answering.run
        try:
            await asyncio.wait([answering.making])
            ended = asyncio.get_running_loop().time()
            failure = _failure(answering)
            first = answering.generation.made.first_token_at
            times = (None, None) if first is None else (first - began, ended - first)
            outcome = _outcome(answering, failure, times)
            failure = await self._record(answering, outcome) or failure
            name = await _quietly(answering.name)
            run.close(_last_frame(answering, outcome, failure, name), failure)
        finally:
            self._note(answering, alone=False)
            self._live.pop(run.message.id, None)
            self._runs.pop(run.message.id, None)

    async def _record(self, answering: Answering, outcome: Outcome) -> RequestError | None:
        """Store the end; nothing is shown as done that is not stored."""
        id, left_out = answering.run.message.id, answering.generation.made.left_out
        for tries in range(STORE_TRIES):
            try:
                await self._store.finish(id, outcome, left_out)
                return None
            except RequestError as error:
                log.warning(
                    "an answer was not stored", extra={"message_id": id, "reason": error.message}
                )
                if tries + 1 == STORE_TRIES:
                    return error
            await asyncio.sleep(STORE_PAUSE_S)
        return None


def _failure(answering: Answering) -> RequestError | None:
    """Why there is no whole answer; None when there is, and when it was stopped on purpose."""
    making = answering.making
    if making.cancelled():
        cut = answering.cut or "server_stopped"
        return None if cut == "stopped" else Internal(_WHY[cut], code=cut)
    error = making.exception()
    if error is None or isinstance(error, RequestError):
        return error
    id = answering.run.message.id
    log.error("an answer failed", extra={"message_id": id}, exc_info=error)
    return Internal(f"Something went wrong here; the log knows it as {id}.")


def _outcome(
    answering: Answering, failure: RequestError | None, times: tuple[float | None, float | None]
) -> Outcome:
    run, made = answering.run, answering.generation.made
    stopped = answering.making.cancelled() and failure is None
    status: MessageStatus = "stopped" if stopped else "complete"
    if failure is not None:
        status = "interrupted" if run.length else "failed"
    return Outcome(
        status=status,
        response=run.text,
        error=None if failure is None else problem_of(failure),
        usage=made.usage,
        finish_reason=None if failure else "stopped" if stopped else made.finish_reason,
        first_token_s=times[0],
        duration_s=times[1],
    )


def problem_of(failure: RequestError) -> Problem:
    return Problem(code=failure.code or failure.type, message=failure.message)


def _last_frame(
    answering: Answering, outcome: Outcome, failure: RequestError | None, name: str
) -> DoneFrame | ErrorFrame:
    run = answering.run
    if failure is not None:
        return ErrorFrame(message_id=run.message.id, **problem_of(failure).model_dump())
    return DoneFrame(
        message_id=run.message.id,
        conversation_id=run.conversation_id,
        conversation_name=name,
        usage=outcome.usage,
        finish_reason=outcome.finish_reason or "stop",
        left_out=answering.generation.made.left_out,
        first_token_s=outcome.first_token_s,
        duration_s=outcome.duration_s,
    )


async def _quietly(name: Callable[[], Awaitable[str]]) -> str:
    """A conversation without its name is no reason to withhold an answer."""
    try:
        return await name()
    except RequestError as error:
        log.warning("a conversation was not named", extra={"reason": error.message})
        return ""
