"""The other gateways of the fleet: some questions only all of them together can answer."""

from __future__ import annotations

import asyncio
import logging
from typing import TypeVar

import httpx
from pydantic import BaseModel, SecretStr, ValidationError

from server.gateway.fleet import Fleet
from server.wire.fleet import SECRET_HEADER, GatewayView

log = logging.getLogger(__name__)

T = TypeVar("T", bound=BaseModel)

SIBLING_S = 1.0
"""One that does not answer by then is left out."""


class Siblings:
    def __init__(
        self, fleet: Fleet, own_id: str, secret: SecretStr, http: httpx.AsyncClient
    ) -> None:
        self._fleet = fleet
        self._own_id = own_id
        self._headers = {SECRET_HEADER: secret.get_secret_value()}
        self._http = http

    async def ask(self, path: str, kind: type[T]) -> list[T]:
        """What each of the others says at `path`, which must not ask siblings itself."""
        others = [gateway for gateway in self._fleet.gateways if gateway.id != self._own_id]
        if not others:
            return []
        said = await asyncio.gather(*(self._ask_one(gateway, path, kind) for gateway in others))
        return [answer for answer in said if answer is not None]

    async def _ask_one(self, gateway: GatewayView, path: str, kind: type[T]) -> T | None:
        try:
            answer = await self._http.get(
                gateway.address + path, headers=self._headers, timeout=SIBLING_S
            )
            if answer.status_code == 404:
                return None
            answer.raise_for_status()
            return kind.model_validate_json(answer.content)
        except (httpx.HTTPError, ValidationError) as error:
            log.warning(
                "another gateway did not answer", extra={"gateway": gateway.id, "cause": str(error)}
            )
            return None
