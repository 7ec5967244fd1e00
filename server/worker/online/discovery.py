"""Which models a provider has, when its file does not say."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Mapping, Sequence

import orjson

from server.clients.http import Header, HTTPClient, Origin
from server.core.errors import StartError, TransportError
from server.core.settings import ProviderSettings

log = logging.getLogger(__name__)

DISCOVERY_S = 10.0


async def upstream_names(
    settings: ProviderSettings, http: HTTPClient, origin: Origin, headers: Sequence[Header]
) -> Mapping[str, str]:
    """Our name of each model to the provider's. Raises `StartError` when it cannot be told."""
    if settings.models:
        return {model.name: model.upstream or model.name for model in settings.models}
    try:
        async with asyncio.timeout(DISCOVERY_S):
            body = await _fetch(http, origin, headers)
        names = [model["id"] for model in orjson.loads(body)["data"]]
    except (TransportError, TimeoutError) as error:
        raise StartError(f"the provider {settings.name} cannot be asked for its models") from error
    except (orjson.JSONDecodeError, KeyError, TypeError) as error:
        raise StartError(
            f"the provider {settings.name} did not list its models at {settings.base_url}/models; "
            "name them in its file"
        ) from error
    if not names:
        raise StartError(f"the provider {settings.name} has no models yet")
    log.info("models found", extra={"provider": settings.name, "count": len(names)})
    return {name: name for name in names if isinstance(name, str)}


async def _fetch(http: HTTPClient, origin: Origin, headers: Sequence[Header]) -> bytes:
    async with http.request(origin, b"/models", b"", headers, method=b"GET") as answer:
        if answer.status != 200:
            raise TransportError(f"status {answer.status}")
        parts = []
        while part := await answer.chunk():
            parts.append(part)
    return b"".join(parts)
