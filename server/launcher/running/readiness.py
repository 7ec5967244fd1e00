"""Workers register a moment after they are up; people are told "ready" when it is true."""

from __future__ import annotations

import asyncio
from contextlib import suppress

import httpx

PATIENCE_S = 3.0
_LOOK_S = 0.05


async def until_ready(url: str) -> bool:
    """Wait until the gateway at `url` says that it has all it expects; False if it does not."""
    with suppress(TimeoutError):
        async with asyncio.timeout(PATIENCE_S), httpx.AsyncClient(trust_env=False) as http:
            while not await _is_ready(http, f"{url}/readyz"):  # noqa: ASYNC110 - another process
                await asyncio.sleep(_LOOK_S)
            return True
    return False


async def _is_ready(http: httpx.AsyncClient, url: str) -> bool:
    try:
        return (await http.get(url)).status_code == 200
    except httpx.HTTPError:
        return False
