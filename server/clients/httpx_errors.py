"""httpx's errors as ours."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import httpx

from server.core.errors import ConnectFailed, CutOff


@contextmanager
def typed(peer: str) -> Iterator[None]:
    """Raises `ConnectFailed` or `CutOff` for what goes wrong with `peer` in the block."""
    try:
        yield
    except (httpx.ConnectError, httpx.ConnectTimeout, httpx.PoolTimeout) as error:
        raise ConnectFailed(f"{peer} cannot be reached: {_reason(error)}") from error
    except httpx.HTTPError as error:
        raise CutOff(f"{peer} went away: {_reason(error)}") from error


def _reason(error: httpx.HTTPError) -> str:
    return str(error) or type(error).__name__
