"""The app server with a sampler in it: `python -m benchmarks.chat.profiled`, started like it.

`GET /benchmark/profile` says where the processor time since the last such call went.
"""

from __future__ import annotations

from collections.abc import Callable

import orjson

from benchmarks.chat.sampler import Sampler
from server.app.app import create_app
from server.web.asgi import ASGIApp, Receive, Scope, Send, send_whole
from server.web.drain import Drain
from server.web.process import run
from server.wire.process import AppProcess, Told

PATH = "/benchmark/profile"
LANGCHAIN = "LangChain"
PACKAGES = {
    "langchain_core": LANGCHAIN,
    "langsmith": LANGCHAIN,
    "sse_starlette": "sse-starlette",
    "starlette": "Starlette",
    "anyio": "AnyIO",
    "uvicorn": "uvicorn",
    "sqlalchemy": "SQLAlchemy",
    "aiosqlite": "aiosqlite",
    "server.app": "app",
    "server.clients": "clients",
    "server.features": "chat",
    "server.store": "store",
    "server.web.process": "event loop",  # nothing else of it runs once it serves
    "server.web": "web",
    "server": "core",
}


class Profiled:
    def __init__(self, app: ASGIApp, sampler: Sampler) -> None:
        self._app = app
        self._sampler = sampler

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "http" and scope["path"] == PATH:
            headers = [(b"content-type", b"application/json")]
            await send_whole(send, 200, headers, orjson.dumps(self._sampler.take()))
            return
        await self._app(scope, receive, send)


def build(
    settings: AppProcess, drain: Drain, say: Callable[[Told], None], _address: str
) -> ASGIApp:
    sampler = Sampler(PACKAGES)
    app = Profiled(create_app(settings, drain, say), sampler)
    sampler.start()
    return app


if __name__ == "__main__":
    run(AppProcess, build)
