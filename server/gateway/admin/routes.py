"""`/admin/routes`: aliases, groups and fallback chains, changed while it runs."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Container, Iterable
from typing import Any, Final
from urllib.parse import unquote

import orjson
from pydantic import Field, ValidationError

from server.core.errors import BadRequest, MethodNotAllowed, NotFound
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

    def __init__(
        self,
        ledger: Ledger,
        customers: Customers,
        routes: Routes,
        models: Callable[[], Container[str]],
    ) -> None:
        """`models`: those that are there now."""
        self._ledger = ledger
        self._customers = customers
        self._routes = routes
        self._models = models

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Raises `Forbidden` for whoever is no administrator."""
        by = demand_administrator(scope)
        path, method = scope["path"], scope["method"]
        if path == ROUTES:
            if method != "GET":
                raise MethodNotAllowed("GET")
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
            raise MethodNotAllowed("PUT", "DELETE")

    def _all(self) -> list[dict[str, Any]]:
        there = self._models()
        return [self._document(route, there) for route in self._routes.all()]

    def _document(self, route: RouteSettings, there: Container[str]) -> dict[str, Any]:
        set_by = "config" if self._routes.is_configured(route) else "admin"
        missing = self._routes.missing(route, there)
        return route.model_dump(mode="json") | {"set_by": set_by, "missing": missing}

    async def _put(self, by: Key, name: str, wish: RouteWish) -> dict[str, Any]:
        try:
            route = RouteSettings.model_validate(wish.model_dump() | {"name": name})
        except ValidationError as error:
            raise fault_in(error) from error
        await self._demand_sense([route], instead_of=name)
        body = orjson.dumps(route.model_dump(mode="json")).decode()
        await asyncio.to_thread(self._ledger.put_route, name, body)
        await self._customers.sync()
        document = self._document(route, self._models())
        told = {"route": name, "by": by.id}
        if missing := document["missing"]:  # they may come later, so it is no mistake yet
            told["missing"] = ", ".join(missing)
            log.warning("route set to models that are not there", extra=told)
        else:
            log.info("route set", extra=told)
        return document

    async def _delete(self, by: Key, name: str) -> dict[str, Any]:
        await self._demand_sense([], instead_of=name)
        if not await asyncio.to_thread(self._ledger.delete_route, name):
            raise NotFound(f"No route {name!r} was set here; those of the settings stay.")
        await self._customers.sync()
        log.info("route deleted", extra={"route": name, "by": by.id})
        return {"name": name, "deleted": True}

    async def _demand_sense(self, new: list[RouteSettings], *, instead_of: str) -> None:
        """Raises `BadRequest` if, with `new` where `instead_of` was, routes would lead nowhere."""
        await self._customers.sync()  # another gateway may just have changed some
        others = [route for route in self._routes.changed() if route.name != instead_of]
        try:
            self._routes.check([*others, *new])
        except ValueError as error:
            words = str(error)
            raise BadRequest(f"{words[0].upper()}{words[1:]}.", code="route_circle") from error


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
    except ValueError:
        routes.set(_that_agree(routes, found))


def _that_agree(routes: Routes, found: Iterable[RouteSettings]) -> list[RouteSettings]:
    """Those of `found` that lead in no circle with the ones before them."""
    kept: list[RouteSettings] = []
    for route in found:
        try:
            routes.check([*kept, route])
        except ValueError as error:
            fields = {"route": route.name, "reason": str(error)}
            log.error("a route in the ledger is not used", extra=fields)
        else:
            kept.append(route)
    return kept
