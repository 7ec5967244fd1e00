"""`/api/fleet`: what runs, and what an operator may do to it."""

from __future__ import annotations

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from server.app.fleet.feed import FleetFeed
from server.app.fleet.orders import Orders
from server.app.replies import reply
from server.app.router import Direct
from server.app.streams import Streams, send_events
from server.web.asgi import Send

EVENTS = "/api/fleet/events"


class FleetRoutes:
    def __init__(self, feed: FleetFeed, orders: Orders, streams: Streams) -> None:
        self._feed = feed
        self._orders = orders
        self._streams = streams

    def routes(self) -> list[Route]:
        return [
            Route("/api/fleet", self.show, methods=["GET"]),
            Route(EVENTS, Direct(self.follow), methods=["GET"]),
            Route("/api/fleet/workers/{name:path}/{action}", self.order, methods=["POST"]),
        ]

    async def show(self, request: Request) -> Response:
        return reply(self._feed.report())

    async def follow(self, request: Request, send: Send) -> None:
        with self._streams.one():
            await send_events(request, send, self._feed.frames())

    async def order(self, request: Request) -> Response:
        """202: it was told to; the report is of before."""
        name, action = request.path_params["name"], request.path_params["action"]
        return reply(await self._orders.give(name, action), 202)
