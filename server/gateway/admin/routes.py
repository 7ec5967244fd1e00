"""`/admin/routes`: aliases, groups and fallback chains, changed while it runs."""

from __future__ import annotations

import asyncio
import logging
from typing import Any, Final
from urllib.parse import unquote

import orjson
from pydantic import Field, ValidationError

from server.core.errors import Conflict, MethodNotAllowed, NotFound
from server.core.settings.route import Member, RouteSettings
from server.core.settings.section import Section
from server.gateway.customers.administrators import demand_administrator
from server.gateway.customers.customers import Customers
from server.gateway.routes import Routes
from server.ledger.key import Key
from server.ledger.ledger import Ledger
from server.web.asgi import Receive, Scope, Send, send_json
from server.web.bodies import fault_in, read_message

log = logging.getLogger(__name__)

ROUTES: Final = "/admin/routes"
MAX_ROUTE_BYTES: Final = 64 * 1024


class RouteWish(Section):
    """A route without its name, which is in the path."""

    to: tuple[Member | str, ...] | str = Field(min_length=1)
    fallback: tuple[str, ...] = ()


class RoutesAdmin:
    """An ASGI application for the paths at and below `ROUTES`."""

    def __init__(self, ledger: Ledger, customers: Customers, routes: Routes) -> None:
        self._ledger = ledger
        self._customers = customers
        self._routes = routes

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Raises `Forbidden` for whoever is no administrator."""
        by = demand_administrator(scope)
        path, method = scope["path"], scope["method"]
        if path == ROUTES:
            if method != "GET":
                raise MethodNotAllowed("This path takes GET only.")
            await self._customers.sync()
            await send_json(send, {"object": "list", "data": self._all()})
            return
        name = unquote(path.removeprefix(f"{ROUTES}/"))
        if method == "PUT":
            wish = await read_message(RouteWish, scope, receive, MAX_ROUTE_BYTES, strict=True)
            await send_json(send, await self._put(by, name, wish))
        elif method == "DELETE":
            await send_json(send, await self._delete(by, name))
        else:
            raise MethodNotAllowed("This path takes PUT or DELETE only.")

    def _all(self) -> list[dict[str, Any]]:
        return [self._document(route) for route in self._routes.all()]

    def _document(self, route: RouteSettings) -> dict[str, Any]:
        set_by = "config" if self._routes.is_configured(route) else "admin"
        return route.model_dump(mode="json") | {"set_by": set_by}

    async def _put(self, by: Key, name: str, wish: RouteWish) -> dict[str, Any]:
        try:
            route = RouteSettings.model_validate(wish.model_dump() | {"name": name})
        except ValidationError as error:
            raise fault_in(error) from error
        changed = [other for other in self._routes.changed() if other.name != name]
        try:
            self._routes.check([*changed, route])
        except ValueError as error:
            raise Conflict(f"{error}.".capitalize(), code="route_circle") from error
        body = orjson.dumps(route.model_dump(mode="json")).decode()
        await asyncio.to_thread(self._ledger.put_route, name, body)
        await self._customers.sync()
        log.info("route set", extra={"route": name, "by": by.id})
        return self._document(route)

    async def _delete(self, by: Key, name: str) -> dict[str, Any]:
        if not await asyncio.to_thread(self._ledger.delete_route, name):
            raise NotFound(f"No route {name!r} was set here; those of the settings stay.")
        await self._customers.sync()
        log.info("route deleted", extra={"route": name, "by": by.id})
        return {"name": name, "deleted": True}


def follow(routes: Routes, bodies: dict[str, str]) -> None:
    """Take over what the ledger holds; what makes no sense (any more) is left out, and said."""
    found = []
    for name, body in bodies.items():
        try:
            found.append(RouteSettings.model_validate_json(body))
        except ValidationError:
            log.error("a route in the ledger makes no sense", extra={"route": name})
    try:
        routes.set(found)
    except ValueError as error:
        log.error("the routes in the ledger are not used", extra={"reason": str(error)})
