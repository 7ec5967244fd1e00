"""Makes one answer: asks the model, and asks again when the way to it is lost.

    Generation.make > _attempts > _attempt > _take

Each adds one concern: where we stand in the queue, another attempt, one stream, one chunk.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import aclosing, asynccontextmanager, suppress
from dataclasses import dataclass, field
from secrets import randbelow
from typing import Literal

from langchain_core.messages import AIMessageChunk
from langchain_core.prompt_values import PromptValue

from server.clients.gateway import GatewayClient
from server.core.errors import (
    ContextLengthExceeded,
    RequestError,
    TransportError,
    Unavailable,
    WorkerLost,
)
from server.features.chat.catalogue import ChatModel
from server.features.chat.chain import Chain
from server.features.chat.recovery import Diverged, Recovery, Replay
from server.features.chat.run import Run
from server.features.chat.window import Turn
from server.wire.browser import FinishReason, GenerationSettings, LeftOut, QueueFrame, Usage
from server.wire.stats import Place

log = logging.getLogger(__name__)

LOST = (TransportError, Unavailable, WorkerLost)
"""Errors that say that the way to the model is lost, and not that it refuses."""
LOOK_S = 0.5
"""How often the gateway is asked for the place in its queue."""
_REASONS: dict[str, FinishReason] = {
    "stop": "stop",
    "length": "length",
    "content_filter": "content_filter",
    "tool_calls": "tool_calls",
}


Past = Callable[[], Awaitable[Sequence[Turn]]]
"""Loads the turns before a question, newest first."""


@dataclass(slots=True)
class Made:
    """What is known of an answer, filled as it is made."""

    finish_reason: FinishReason = "stop"
    usage: Usage | None = None
    left_out: LeftOut = field(default_factory=LeftOut)
    first_token_at: float | None = None
    """By the loop's clock."""


class Generation:
    def __init__(
        self,
        run: Run,
        model: ChatModel,
        gateway: GatewayClient,
        past: Past,
        recover_s: float,
    ) -> None:
        """`recover_s`: how long to look for a way to the model."""
        self.made = Made()
        self._run = run
        self._model = model
        self._gateway = gateway
        self._past = past
        self._recover_s = recover_s
        self._attempt_number = 0
        self._began = False
        """Whether this attempt has brought something."""

    async def make(self) -> None:
        """Write the whole answer into the run.

        Raises `RequestError` when there is none, or only a part of it.
        """
        model, settings = self._model, self._run.message.settings
        if model.repeats:
            settings = _with_seed(settings)
        past = await self._past()
        chain = Chain(self._gateway, model.name, settings, past, model.context_length)
        async with self._telling_the_place():
            await self._attempts(chain)

    async def _attempts(self, chain: Chain) -> None:
        recovery = Recovery(self._recover_s, may_replay=self._model.repeats)
        prompt = await self._prompt(chain)
        while True:
            before = self._run.length
            try:
                await self._attempt(chain, prompt)
                return
            except ContextLengthExceeded:
                if before or not chain.shrink():
                    raise
                prompt = await self._prompt(chain)
                continue
            except Diverged as error:
                raise _lost_for_good() from error
            except LOST as error:
                frame = self._looking(error)
                pause_s = recovery.pause_s(self._run.length, cost=self._began or _killed(error))
                if pause_s is None:
                    raise _as_refusal(error, self._run.length) from error
                log.warning(
                    "asking the model again",
                    extra={"message_id": self._run.message.id, "cause": str(error)},
                )
            self._run.wait_at(frame)
            await asyncio.sleep(pause_s)

    async def _prompt(self, chain: Chain) -> PromptValue:
        prompt = await chain.prompt(self._run.message.query)
        self.made.left_out = chain.left_out
        return prompt

    async def _attempt(self, chain: Chain, prompt: PromptValue) -> None:
        """One stream, from its beginning to its end."""
        self._attempt_number += 1
        self._began = False
        replay = Replay(self._run.text)
        async with aclosing(chain.stream(prompt, self._request_id)) as chunks:
            async for chunk in chunks:
                self._take(chunk, replay)
        if not replay.is_through:
            raise Diverged

    def _take(self, chunk: AIMessageChunk, replay: Replay) -> None:
        self._began = True
        # Databases do not store NUL, and what is shown and what is stored must be the same.
        text = replay.fresh(chunk.text.replace("\0", "\N{REPLACEMENT CHARACTER}"))
        if text and self.made.first_token_at is None:
            self.made.first_token_at = asyncio.get_running_loop().time()
        self._run.write(text)
        if usage := chunk.usage_metadata:
            self.made.usage = Usage(
                prompt_tokens=usage["input_tokens"],
                completion_tokens=usage["output_tokens"],
                total_tokens=usage["total_tokens"],
            )
        if reason := chunk.response_metadata.get("finish_reason"):
            self.made.finish_reason = _REASONS.get(reason, "stop")

    @property
    def _request_id(self) -> str:
        return f"{self._run.message.id}-{self._attempt_number}"

    @asynccontextmanager
    async def _telling_the_place(self) -> AsyncIterator[None]:
        task = asyncio.create_task(self._tell_the_place())
        try:
            yield
        finally:
            task.cancel()
            await asyncio.wait([task])

    async def _tell_the_place(self) -> None:
        """Ask the gateway how many are before us, or whether our model is being loaded, until
        there is text."""
        loading = False
        while not self._run.length:
            await asyncio.sleep(LOOK_S)
            place = None
            with suppress(TransportError, RequestError):
                place = await self._gateway.place_in_queue(self._request_id)
            if place and (place.position or place.loading or loading) and not self._run.length:
                loading = place.loading
                self._run.wait_at(self._place(place))

    def _place(self, place: Place) -> QueueFrame:
        done = None if place.done is None else round(place.done, 2)  # a frame for each percent
        reason: Literal["queue", "loading"] = "loading" if place.loading else "queue"
        return QueueFrame(
            message_id=self._run.message.id, position=place.position, reason=reason, done=done
        )

    def _looking(self, error: Exception) -> QueueFrame:
        """Nothing was lost where nobody had begun: then there is just no worker."""
        absent = isinstance(error, Unavailable) and not self._began and not self._run.length
        reason: Literal["waiting", "recovering"] = "waiting" if absent else "recovering"
        return QueueFrame(message_id=self._run.message.id, position=0, reason=reason)


def _with_seed(settings: GenerationSettings) -> GenerationSettings:
    """A seed makes it possible to be told the same again."""
    if settings.seed is not None:
        return settings
    return settings.model_copy(update={"seed": randbelow(2**31)})


def _killed(error: Exception) -> bool:
    """Whether a worker was lost over this very request, which may be why."""
    return isinstance(error, RequestError) and error.code == WorkerLost.code


def _lost_for_good() -> WorkerLost:
    return WorkerLost("The model was lost in mid-answer; what came before is incomplete.")


def _as_refusal(error: Exception, length: int) -> RequestError:
    if isinstance(error, RequestError):
        return error
    if length:
        return _lost_for_good()
    return Unavailable(
        "The gateway cannot be reached; try again shortly.", code="gateway_unreachable"
    )
