"""ASGI's lifespan protocol around an application that has none."""

from __future__ import annotations

import logging
from collections.abc import Callable
from contextlib import AbstractAsyncContextManager

from server.web.asgi import ASGIApp, Receive, Scope, Send

log = logging.getLogger(__name__)

Lifespan = Callable[[], AbstractAsyncContextManager[None]]


def with_lifespan(app: ASGIApp, lifespan: Lifespan) -> ASGIApp:
    """`app`, with `lifespan` entered when the server starts and left when it ends."""
    return WithLifespan(app, lifespan)


class WithLifespan:
    """`serves` is what answers requests: our own server asks it directly."""

    def __init__(self, app: ASGIApp, lifespan: Lifespan) -> None:
        self.serves = app
        self._lifespan = lifespan

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "lifespan":
            await self.serves(scope, receive, send)
            return
        await receive()
        try:
            async with self._lifespan():
                await send({"type": "lifespan.startup.complete"})
                await receive()
        except Exception as error:  # the server wants to hear of every one of them
            log.exception("lifespan failed")
            await send({"type": "lifespan.startup.failed", "message": str(error)})
            raise
        await send({"type": "lifespan.shutdown.complete"})
