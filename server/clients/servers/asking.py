"""Asks a server what it is and which models it has."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final

import orjson
from pydantic import SecretStr

from server.clients.calls import Said, about, fetch
from server.clients.connection import Header
from server.clients.http import HTTPClient
from server.clients.origin import Origin
from server.clients.servers.found import Found, Json, Kind, Native, listed_facts
from server.clients.servers.native import SNIFFS, likeliest
from server.core.errors import BadAnswer, ConnectFailed, CutOff, KeyRefused, OwnGateway
from server.wire.fleet import FLEET_HEADER, ModelFacts

ASK_S: Final = 10.0
"""For its list of models."""
DETAILS_S: Final = 10.0
"""For all that is asked beside it; what is not known then stays unknown until the next time."""
MAX_LIST_BYTES: Final = 8 * 1024 * 1024
MAX_MODELS: Final = 2000
MAX_NAME_CHARS: Final = 200
"""As for every model that a client can ask for."""
OWN_GATEWAY: Final = 409
"""How a gateway answers a worker of its own fleet."""


@dataclass(slots=True)
class Server:
    """One server, and what it said when it was asked last."""

    http: HTTPClient
    origin: Origin
    """With the path in front of `/models`."""
    fleet: str
    """Which fleet asks: `fleet_id`."""
    key: SecretStr | None = None
    _entries: list[Json] = field(default_factory=list)
    _native: Native | None = None

    async def ask(self, *, anew: bool = True) -> Found:
        """`anew`: its details too, though its models are still the same ones.

        Raises `ConnectFailed` and `CutOff`, when it is not there; `KeyRefused`; `OwnGateway`;
        `BadAnswer`, when it does not speak the protocol.
        """
        with about(self.url):
            entries = await self._list()
        if anew or self._native is None or _names(entries) != _names(self._entries):
            self._native = await self._details(entries)
        self._entries = entries
        return _found(entries, self._native)

    @property
    def url(self) -> str:
        origin = self.origin
        return f"http{'s' * origin.tls}://{origin.authority.decode()}{origin.base_path}"

    async def _list(self) -> list[Json]:
        fleet: Header = (FLEET_HEADER.encode(), self.fleet.encode())
        said = await self._call(self.origin, "/models", None, fleet)
        if said.status == OWN_GATEWAY and b"own_gateway" in said.body:
            raise OwnGateway(f"{self.url} is this very Shortline; requests would go in a circle")
        if said.status in (401, 403):
            what = "it refused our key" if self.key else "it wants a key, so say which (--key-env)"
            raise KeyRefused(f"{self.url}: {what} ({said.status})")
        if 300 <= said.status < 400:
            raise BadAnswer(f"{self.url}: it redirects ({said.status}), which is not followed")
        if said.status >= 500:  # it is on its way up, or down
            raise CutOff(f"it answered /models with {said.status}")
        listed = _json(said)
        entries = listed.get("data") if listed is not None else None
        if not isinstance(entries, list):
            raise BadAnswer(
                f"{self.url} is no OpenAI-compatible server: it does not list its models at "
                f"/models (status {said.status})"
            )
        whole: list[Json] = [entry for entry in entries if isinstance(entry, dict) and _name(entry)]
        return whole[:MAX_MODELS]

    async def _details(self, entries: Sequence[Json]) -> Native:
        if any(entry.get("owned_by") == "shortline" for entry in entries):
            return Native("shortline")
        names = _names(entries)
        order = likeliest(entries)
        if self._native is not None and self._native.kind in SNIFFS:
            order = [self._native.kind]
        try:
            async with asyncio.timeout(DETAILS_S):
                for kind in order:
                    if native := await SNIFFS[kind](self._question, names):
                        return native
        except TimeoutError:
            pass
        return self._native or Native("openai")

    async def _question(self, path: str, body: Json | None = None) -> Json | None:
        root = self.origin._replace(base_path=self.origin.base_path.removesuffix("/v1"))
        try:
            return _json(await self._call(root, path, body))
        except (ConnectFailed, CutOff, BadAnswer):
            return None

    async def _call(self, origin: Origin, path: str, body: Json | None, *more: Header) -> Said:
        headers: list[Header] = [*more, (b"accept-encoding", b"identity")]
        headers.append((b"user-agent", b"shortline"))
        if body is not None:
            headers.append((b"content-type", b"application/json"))
        if self.key is not None:
            headers.append((b"authorization", b"Bearer " + self.key.get_secret_value().encode()))
        return await fetch(
            self.http,
            origin,
            path.encode(),
            orjson.dumps(body) if body is not None else b"",
            headers,
            method=b"GET" if body is None else b"POST",
            within_s=ASK_S,
            most_bytes=MAX_LIST_BYTES,
        )


def _found(entries: Sequence[Json], native: Native) -> Found:
    models = {}
    for entry in entries:
        name = _name(entry)
        models[name] = _joined(
            native.of_one.get(name, ModelFacts()), listed_facts(entry), native.of_all
        )
    kind: Kind = native.kind
    return Found(kind, models, native.version)


def _joined(*sources: ModelFacts) -> ModelFacts:
    """Of each fact what the first says that says something."""
    return ModelFacts(
        abilities=next((one.abilities for one in sources if one.abilities), ()),
        context_length=next((n for one in sources if (n := one.context_length)), None),
    )


def _names(entries: Sequence[Json]) -> list[str]:
    return [_name(entry) for entry in entries]


def _name(entry: Mapping[str, Any]) -> str:
    """Empty for one that no client could ask for."""
    name = entry.get("id")
    return name if isinstance(name, str) and len(name) <= MAX_NAME_CHARS else ""


def _json(said: Said) -> Json | None:
    if said.status != 200:
        return None
    try:
        value = orjson.loads(said.body)
    except orjson.JSONDecodeError:
        return None
    return value if isinstance(value, dict) else None
