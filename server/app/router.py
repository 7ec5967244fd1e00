"""Starlette's router, whose refusals are ours."""

from __future__ import annotations

from collections.abc import Awaitable, Callable

from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.routing import BaseRoute, Router

from server.core.errors import MethodNotAllowed, NotFound, RequestError
from server.web.asgi import ASGIApp, Receive, Scope, Send


class Routed:
    """Serves `/api/…` from the routes it was opened with, and everything else from `rest`.

    There is no Starlette application around the router: that one would answer errors by itself,
    and `Edge` would never hear of them.
    """

    def __init__(self, rest: ASGIApp) -> None:
        self._router = Router(redirect_slashes=False, default=_nothing)
        self._rest = rest

    def open(self, *routes: BaseRoute) -> None:
        """Once everything that the routes call is there."""
        self._router.routes = list(routes)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        path: str = scope["path"]
        if path != "/api" and not path.startswith("/api/"):
            if path.startswith("//"):  # some proxies drop a slash, and then it is another path
                raise NotFound("There is nothing at this path.")
            await self._rest(scope, receive, send)
            return
        scope["app"] = self  # with an application there, the router raises what it refuses
        try:
            await self._router(scope, receive, send)
        except HTTPException as error:
            raise _ours(error) from error


class Direct:
    """An endpoint that sends its answer itself, so that what it holds it holds to the last byte."""

    def __init__(self, handler: Callable[[Request, Send], Awaitable[None]]) -> None:
        self._handler = handler

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        await self._handler(Request(scope, receive), send)


async def _nothing(scope: Scope, receive: Receive, send: Send) -> None:
    raise NotFound("There is nothing at this path.")


def _ours(error: HTTPException) -> RequestError:
    if error.status_code == 405:
        return MethodNotAllowed(*sorted((error.headers or {})["Allow"].split(", ")))
    return NotFound("There is nothing at this path.")
