"""Routes by method and path, for processes with too few of them for a framework."""

from __future__ import annotations

from server.core.errors import MethodNotAllowed, NotFound
from server.web.asgi import ASGIApp, Receive, Scope, Send

Routes = dict[tuple[str, str], ASGIApp]
"""From method and path."""


class Table:
    def __init__(self, *routes: Routes) -> None:
        self._routes = {key: app for part in routes for key, app in part.items()}
        self._methods: dict[str, list[str]] = {}
        for method, path in self._routes:
            self._methods.setdefault(path, []).append(method)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        app = self._routes.get((scope["method"], scope["path"]))
        if app is not None:
            await app(scope, receive, send)
        elif allowed := self._methods.get(scope["path"]):
            raise MethodNotAllowed(*allowed)
        else:
            raise NotFound("There is nothing at this path.")
