"""ASGI's lifespan protocol around an application that has none."""

from __future__ import annotations

import logging
from collections.abc import Callable
from contextlib import AbstractAsyncContextManager

from server.web.asgi import ASGIApp, Receive, Scope, Send

log = logging.getLogger(__name__)


def with_lifespan(
    app: ASGIApp, lifespan: Callable[[], AbstractAsyncContextManager[None]]
) -> ASGIApp:
    """`app`, with `lifespan` entered when the server starts and left when it ends."""

    async def serve(scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "lifespan":
            await app(scope, receive, send)
            return
        await receive()
        try:
            async with lifespan():
                await send({"type": "lifespan.startup.complete"})
                await receive()
        except Exception as error:  # the server wants to hear of every one of them
            log.exception("lifespan failed")
            await send({"type": "lifespan.startup.failed", "message": str(error)})
            raise
        await send({"type": "lifespan.shutdown.complete"})

    return serve
