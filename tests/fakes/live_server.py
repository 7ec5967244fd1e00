"""A real server on a free port, in the test's own event loop."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import uvicorn

from server.web.asgi import ASGIApp
from server.web.http1.connection import Connection
from server.web.process import address_of, bind


@asynccontextmanager
async def live_server(app: ASGIApp) -> AsyncIterator[str]:
    """The base URL of `app`, served as our processes serve it."""
    listener = bind("127.0.0.1", 0)
    config = uvicorn.Config(
        app,
        interface="asgi3",  # uvicorn guesses wrong about bound methods
        http=Connection,
        ws="none",
        proxy_headers=False,
        log_config=None,
        access_log=False,
        server_header=False,
        date_header=False,
        timeout_graceful_shutdown=1,
    )
    server = uvicorn.Server(config)
    serving = asyncio.create_task(server._serve([listener]))
    try:
        while not server.started:
            if serving.done():
                serving.result()
            await asyncio.sleep(0.005)
        yield address_of(listener)
    finally:
        server.should_exit = True
        await serving
