"""The paths of the API, once the models behind them are known."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable

from server.core.errors import MethodNotAllowed, NotFound, Unavailable
from server.core.limits import RETRY_AFTER_S
from server.web.asgi import Receive, Scope, Send
from server.wire.process import Report
from server.worker.online.relay import PATHS, ProviderRelay
from server.worker.online.tokens import PATHS as TOKEN_PATHS
from server.worker.online.tokens import Tokens

log = logging.getLogger(__name__)


class OnlineWorker:
    """`relay` is none while the provider is not there."""

    def __init__(self, say: Callable[[Report], None] = lambda report: None) -> None:
        self.relay: ProviderRelay | None = None
        self.tokens: Tokens | None = None
        self.missing: str | None = "the provider's list of models"
        """What we wait for, in words."""
        self._say = say
        self._asked = asyncio.Event()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        path: str = scope["path"]
        if path in TOKEN_PATHS:
            await self._count(scope, receive, send)
            return
        if path not in PATHS:
            raise NotFound("There is nothing at this path.")
        if scope["method"] != "POST":
            raise MethodNotAllowed("POST")
        if self.relay is None:
            raise _not_there()
        await self.relay.serve(scope, receive, send)

    async def _count(self, scope: Scope, receive: Receive, send: Send) -> None:
        if self.tokens is None:
            raise NotFound("An online provider counts no tokens for us.", param="model")
        if scope["method"] != "POST":
            raise MethodNotAllowed("POST")
        if self.relay is None:
            raise _not_there()
        await self.tokens.serve(scope, receive, send)

    def wait_for(self, what: str) -> None:
        """The provider is not there, for the reason that `what` ends in."""
        if what != self.missing:
            log.warning("waiting for the provider", extra={"reason": what})
            self._say(Report(state="waiting", detail=what))
        self.missing = what
        self._asked.set()

    def begin(self, relay: ProviderRelay, tokens: Tokens | None = None) -> None:
        self.relay = relay
        self.tokens = tokens
        self.missing = None
        self._say(Report(state="waiting"))
        self._asked.set()

    def lose(self, what: str) -> None:
        """It was there, and is not any more."""
        self.relay = None
        self.wait_for(what)

    async def first_answer(self, limit_s: float) -> None:
        """Wait until the provider has answered or failed to, for `limit_s` at most."""
        try:
            async with asyncio.timeout(limit_s):
                await self._asked.wait()
        except TimeoutError:
            self.wait_for(f"no answer from the provider within {limit_s:g} s")


def _not_there() -> Unavailable:
    return Unavailable(
        "The provider has not told its models yet; try again shortly.",
        retry_after_s=RETRY_AFTER_S,
    )
