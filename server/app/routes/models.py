"""`/api/models`: what can be chatted with."""

from __future__ import annotations

from collections.abc import Callable, Iterable

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from server.app.fleet.known import Known
from server.app.fleet.models import model_states
from server.app.replies import reply
from server.wire.browser import ModelList


class ModelRoutes:
    def __init__(self, known: Callable[[], Known], expected: Iterable[str]) -> None:
        self._known = known
        self._expected = tuple(expected)

    def routes(self) -> list[Route]:
        return [Route("/api/models", self.list, methods=["GET"])]

    async def list(self, request: Request) -> Response:
        return reply(ModelList(items=tuple(model_states(self._known(), self._expected))))
