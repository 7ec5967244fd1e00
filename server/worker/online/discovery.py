"""Which models a provider has, when its file does not say."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable, Mapping, Sequence
from random import uniform
from typing import TypeVar

import orjson

from server.clients.calls import fetch
from server.clients.connection import Header
from server.clients.http import HTTPClient
from server.clients.origin import Origin
from server.core.errors import BadAnswer, StartError, TransportError
from server.core.provider_settings import ProviderSettings

log = logging.getLogger(__name__)

T = TypeVar("T")
Names = Mapping[str, str]
"""Our name of each model to the provider's."""

DISCOVERY_S = 10.0
RETRY_MIN_S = 1.0
RETRY_MAX_S = 30.0
MAX_LIST_BYTES = 8 * 1024 * 1024
"""The longest lists of today's providers have less than a tenth of it."""


async def until_found(
    ask: Callable[[], Awaitable[T]],
    waiting: Callable[[str], None],
    stopping: asyncio.Event,
    *,
    most_s: float | None = None,
) -> T | None:
    """What `ask` returns, as soon as it does; None once `stopping` is set.

    Each time it raises a `StartError`, `waiting` hears why. `most_s`: the longest pause between two
    questions; none said: `RETRY_MAX_S`.
    """
    pause_s = RETRY_MIN_S
    while not stopping.is_set():
        try:
            return await ask()
        except StartError as error:
            waiting(str(error))
        try:
            async with asyncio.timeout(pause_s * uniform(0.8, 1.0)):
                await stopping.wait()
        except TimeoutError:
            pause_s = min(2 * pause_s, most_s or RETRY_MAX_S)
    return None


async def upstream_names(
    settings: ProviderSettings, http: HTTPClient, origin: Origin, headers: Sequence[Header]
) -> Names:
    """Raises `StartError` when the provider does not tell."""
    if settings.models:
        return {model.name: model.upstream or model.name for model in settings.models}
    provider = f"{settings.name} at {_url(origin)}"
    try:
        ids = [model["id"] for model in orjson.loads(await _listed(http, origin, headers))["data"]]
    except TransportError as error:
        raise StartError(f"{provider}: {error}") from error
    except (orjson.JSONDecodeError, KeyError, TypeError) as error:
        raise StartError(
            f"{provider}: it does not list its models at /models; name them in its file"
        ) from error
    names = {name: name for name in ids if isinstance(name, str)}
    if not names:
        raise StartError(f"{provider}: it has no models yet")
    log.info("models found", extra={"provider": settings.name, "count": len(names)})
    return names


async def _listed(http: HTTPClient, origin: Origin, headers: Sequence[Header]) -> bytes:
    said = await fetch(
        http,
        origin,
        b"/models",
        headers=headers,
        method=b"GET",
        within_s=DISCOVERY_S,
        most_bytes=MAX_LIST_BYTES,
    )
    if said.status in (401, 403):
        raise BadAnswer(f"it refused our key ({said.status})")
    if said.status != 200:
        raise BadAnswer(f"it answered /models with {said.status}")
    return said.body


def _url(origin: Origin) -> str:
    """As in the provider's file, but without a password that stands in it."""
    return f"http{'s' * origin.tls}://{origin.authority.decode()}{origin.base_path}"
