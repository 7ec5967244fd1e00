"""The other gateways of the fleet: some questions only all of them together can answer."""

from __future__ import annotations

import asyncio
import logging
from typing import TypeVar
from urllib.parse import quote

from pydantic import BaseModel, SecretStr

from server.clients.calls import fetch
from server.clients.connection import Header
from server.clients.http import HTTPClient
from server.clients.origin import Origin
from server.core.errors import BadAnswer, TransportError
from server.gateway.fleet import Fleet
from server.wire.fleet import SECRET_HEADER, GatewayView

log = logging.getLogger(__name__)

T = TypeVar("T", bound=BaseModel)

SIBLING_S = 1.0
"""One that does not answer by then is left out."""


class Siblings:
    def __init__(self, fleet: Fleet, own_id: str, secret: SecretStr, http: HTTPClient) -> None:
        self._fleet = fleet
        self._own_id = own_id
        self._secret: Header = (SECRET_HEADER.encode(), secret.get_secret_value().encode())
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
            said = await fetch(
                self._http,
                Origin.parse(gateway.address),
                quote(path).encode(),  # an id in it may be anything
                headers=(self._secret,),
                method=b"GET",
                within_s=SIBLING_S,
            )
            if said.status == 404:
                return None
            if said.status != 200:
                raise BadAnswer(f"it answered {said.status}")
            return kind.model_validate_json(said.body)
        except (TransportError, ValueError) as error:  # its address and its JSON are not ours
            log.warning(
                "another gateway did not answer", extra={"gateway": gateway.id, "cause": str(error)}
            )
            return None
