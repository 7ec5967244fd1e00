"""The gateway's error envelopes as the errors they were made from."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from server.core.errors import (
    BadRequest,
    ContextLengthExceeded,
    Forbidden,
    Internal,
    ModelNotFound,
    NotFound,
    Overloaded,
    ProviderRefused,
    RequestError,
    Unauthorized,
    Unavailable,
    UpstreamFailed,
    UpstreamTimeout,
    WorkerLost,
)

_BY_CODE: dict[str, type[RequestError]] = {
    kind.code: kind
    for kind in (
        ContextLengthExceeded,
        ModelNotFound,
        Overloaded,
        ProviderRefused,
        Unavailable,
        UpstreamTimeout,
        WorkerLost,
    )
    if kind.code is not None
}
_BY_STATUS: dict[int, type[RequestError]] = {
    400: BadRequest,
    401: Unauthorized,
    403: Forbidden,
    404: NotFound,
    429: Overloaded,
    500: Internal,
    503: Unavailable,
    504: UpstreamTimeout,
}


def error_from(envelope: Any, status: int = 502, retry_after: bytes | None = None) -> RequestError:
    """`envelope`: the parsed body of a refusal, or the data of an `error` event.

    The code decides; where it is a provider's own, the status does.
    """
    said = envelope.get("error") if isinstance(envelope, dict) else None
    said = said if isinstance(said, dict) else {}
    code = said.get("code") if isinstance(said.get("code"), str) else None
    message = said.get("message") if isinstance(said.get("message"), str) else None
    kind = _BY_CODE.get(code or "") or _BY_STATUS.get(status)
    if kind is None:
        kind = BadRequest if 400 <= status < 500 else UpstreamFailed
    return kind(
        message or f"The model's server answered {status} and did not say why.",
        code=code,
        retry_after_s=next(_seconds(retry_after), None),
    )


def _seconds(retry_after: bytes | None) -> Iterator[float]:
    """Nothing for a date or nonsense: then the caller's own pace is good enough."""
    if retry_after is not None and retry_after.isdigit() and len(retry_after) < 6:
        yield float(retry_after)
