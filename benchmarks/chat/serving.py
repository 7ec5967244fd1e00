"""Serves an application until standard input ends, for processes that benchmarks start."""

from __future__ import annotations

import sys
import threading

import uvicorn

from benchmarks.gateway.messages import Listening
from server.web.asgi import ASGIApp
from server.web.process import address_of, bind

BACKLOG = 2048


def serve(app: ASGIApp) -> None:
    """On a free port; the first line of output says which."""
    listener = bind("127.0.0.1", 0)
    server = uvicorn.Server(uvicorn.Config(app, log_config=None))

    def watch() -> None:
        sys.stdin.read()
        server.should_exit = True

    threading.Thread(target=watch, daemon=True).start()
    listener.listen(BACKLOG)
    print(Listening(address=address_of(listener)).model_dump_json(), flush=True)
    server.run(sockets=[listener])
