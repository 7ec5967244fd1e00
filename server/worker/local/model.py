"""The one model of this process with its adapters, and what every route needs beside it."""

from __future__ import annotations

import hashlib
import logging
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager

from server.core.clock import Clock
from server.core.errors import BadRequest, Internal, ModelNotFound, RequestError
from server.core.settings import ModelSettings
from server.web.asgi import ClientLeft, Receive
from server.web.drain import Drain
from server.web.patience import Patience
from server.wire.fleet import Ability, Load
from server.worker.asked import Prepared, Prompt
from server.worker.context import check_length
from server.worker.engine import Engine
from server.worker.slots import Slots
from server.worker.terms import Terms
from server.worker.text.thinking import Marks

log = logging.getLogger(__name__)


class Model:
    """`engine` and `marks` are there from the end of loading on, before the first request."""

    engine: Engine
    marks: Marks | None = None
    """Around what the model thinks before it answers, where it does."""

    def __init__(self, settings: ModelSettings, drain: Drain, clock: Clock) -> None:
        self.settings = settings
        self.name = settings.name
        self._fingerprints = {name: fingerprint_of(settings, name) for name in settings.names}
        self.slots = Slots(settings.slots, settings.queue, clock)
        self.drain = drain
        self.clock = clock
        self.created = int(clock.wall())

    @asynccontextmanager
    async def turn(
        self,
        terms: Terms,
        receive: Receive,
        first: Callable[[], Awaitable[object]] | None = None,
    ) -> AsyncIterator[Patience]:
        """A slot, for as long as the client stays and time is left. `first`: what is done before
        it is taken, because it may take long and needs none.

        The body must have been read. Raises `Overloaded`, `ClientLeft`, `UpstreamTimeout`.
        """
        with Patience(receive, self.drain, terms.whole_s) as limit:
            if first is not None:
                await first()
            async with self.slots.take(terms.gateway, terms.lane, terms.customer):
                yield limit

    def load(self) -> Load:
        """What is told at each beat."""
        engine = self.engine
        return self.slots.load().model_copy(
            update={
                "tokens_after_cancel": engine.tokens_after_cancel,
                "generated": engine.generated,
                "served": self.slots.served,
            }
        )

    async def prepare(self, prompt: Prompt) -> Prepared:
        """Raises `BadRequest`, and before any work `ContextLengthExceeded`."""
        check_length(self.engine.context_length, prompt)
        return await self.engine.prepare(prompt)

    def adapter(self, name: str) -> str:
        """The adapter that is asked for by `name`; empty: none but the model itself."""
        return name if name in self.settings.adapters else ""

    def fingerprint(self, name: str) -> str:
        return self._fingerprints[name]

    def check(self, name: str, ability: Ability) -> None:
        """Raises `ModelNotFound`, or `BadRequest` for what this model cannot do."""
        if name not in self.settings.names:
            raise ModelNotFound(f"The model {name!r} is not served here.", param="model")
        if ability not in self.engine.abilities:
            raise BadRequest(
                f"The model {name!r} is for {' and '.join(self.engine.abilities)}, "
                f"not for {ability}.",
                param="model",
                code="unsupported_model",
            )


_CHANGES_ANSWERS = frozenset(
    {
        "engine", "path", "device", "dtype", "quantization", "threads", "context_length",
        "conversation_template", "options",
    }
)  # fmt: skip


def fingerprint_of(settings: ModelSettings, name: str = "") -> str:
    """OpenAI's `system_fingerprint`: another one where the same seed may give another answer.

    `name`: of the model or of one of its adapters.
    """
    said = settings.model_dump_json(include=set(_CHANGES_ANSWERS))
    said += settings.adapters.get(name, "")
    return f"fp_{hashlib.sha256(said.encode()).hexdigest()[:10]}"


def as_request_error(error: Exception, request_id: str) -> RequestError:
    """What a client may know of `error`; the rest goes to the log. `ClientLeft` is raised."""
    if isinstance(error, ClientLeft):
        raise error
    if isinstance(error, RequestError):
        return error
    log.error("the engine failed", extra={"request_id": request_id}, exc_info=error)
    return Internal("The model failed; the log of its worker says why.")
