"""What a provider's answers mean to our clients; its key appears in none of them."""

from __future__ import annotations

import re
from html import unescape
from typing import Final

import orjson
from pydantic import SecretStr

from server.clients.connection import Header
from server.core.errors import (
    BadAnswer,
    BadRequest,
    Conflict,
    ConnectFailed,
    NotFound,
    Overloaded,
    ProviderRefused,
    RequestError,
    SlowRequest,
    TooLarge,
    TransportError,
    Unprocessable,
    UnsupportedMedia,
    UpstreamFailed,
)
from server.core.limits import WHOLE_REQUEST_S
from server.core.provider_settings import ProviderSettings

REDACTED = b"[redacted]"
MAX_TOLD_CHARS: Final = 300
"""Of what a provider says, in a sentence of ours."""
MAX_PAGE_BYTES: Final = 4096
"""Of a page, in which that is looked for."""
_REFUSALS: Final[dict[int, type[RequestError]]] = {
    kind.status: kind
    for kind in (*(NotFound, SlowRequest, Conflict, TooLarge, UnsupportedMedia, Unprocessable),)
}
"""Another 4xx is a 400."""
_TITLE: Final = re.compile(r"<title[^>]*>(.*?)</title", re.IGNORECASE | re.DOTALL)
_TAG: Final = re.compile(r"<[^<>]*>")


def failure_of_status(
    provider: str, status: int, body: bytes, retry_after: bytes | None
) -> RequestError | None:
    """The error that a status means; None when the provider's own body says it best.

    400, 404 and 422 are about the client's request and pass unchanged, if they are told in JSON.
    """
    if status in (401, 403):
        return ProviderRefused(
            f"The provider {provider} refused our key ({status}); "
            "the operator must check the key and its rights."
        )
    if status == 429:
        return Overloaded(
            f"The provider {provider} says that its limit is reached{_told(body)}.",
            code="provider_rate_limit",
            retry_after_s=_seconds(retry_after),
        )
    if status >= 500:
        return UpstreamFailed(f"The provider {provider} failed with status {status}.")
    if 300 <= status < 400:
        return UpstreamFailed(
            f"The provider {provider} answered with a redirect ({status}), which is not followed; "
            "check its base_url.",
            code="provider_redirect",
        )
    if status >= 400 and not _is_object(body):
        return _REFUSALS.get(status, BadRequest)(
            f"The provider {provider} refused the request ({status}){_told(body)}.",
            code="provider_rejected",
        )
    return None


def failure_of_transport(provider: str, error: TransportError) -> UpstreamFailed:
    if isinstance(error, ConnectFailed):
        return UpstreamFailed(f"The provider {provider} cannot be reached: {error}.")
    if isinstance(error, BadAnswer):
        return UpstreamFailed(f"The provider {provider} sent a bad answer: {error}.")
    return UpstreamFailed(f"The provider {provider} hung up before it answered.")


def lost_in_answer(provider: str) -> UpstreamFailed:
    return UpstreamFailed(
        f"The provider {provider} hung up in mid-answer; what came before is incomplete.",
        code="provider_lost",
    )


def check_whole(provider: str, body: bytes) -> None:
    """A 200 that is not a JSON object is no answer. Raises `UpstreamFailed`."""
    try:
        answer = orjson.loads(body)
    except orjson.JSONDecodeError as error:
        raise UpstreamFailed(f"The provider {provider} sent something that is not JSON.") from error
    if not isinstance(answer, dict):
        raise UpstreamFailed(f"The provider {provider} sent JSON that is not an object.")


class Redactor:
    """Removes the key from what a provider says."""

    def __init__(self, key: SecretStr | None) -> None:
        self._key = key.get_secret_value().encode() if key else b""

    def __call__(self, body: bytes) -> bytes:
        return body.replace(self._key, REDACTED) if self._key else body


def authorised(settings: ProviderSettings, key: SecretStr | None) -> tuple[Header, ...]:
    """The headers of every request to the provider."""
    headers: tuple[Header, ...] = (
        (b"content-type", b"application/json"),
        (b"accept-encoding", b"identity"),
        (b"user-agent", b"shortline"),
    )
    if key is None:
        return headers
    return (*headers, (b"authorization", b"Bearer " + key.get_secret_value().encode()))


def _seconds(retry_after: bytes | None) -> float | None:
    """`Retry-After` in seconds when it is one we can pass on honestly."""
    if retry_after is None or not retry_after.isdigit():
        return None
    return min(float(retry_after), WHOLE_REQUEST_S * 6)


def _is_object(body: bytes) -> bool:
    try:
        return isinstance(orjson.loads(body), dict)
    except orjson.JSONDecodeError:
        return False


def _told(body: bytes) -> str:
    """The reason in it, to be put behind a sentence: one line, or nothing."""
    try:
        said = orjson.loads(body)
    except orjson.JSONDecodeError:
        said = _text_of_page(body[:MAX_PAGE_BYTES].decode("utf-8", "replace"))
    if isinstance(said, dict):
        said = said.get("error")
        said = said.get("message") if isinstance(said, dict) else said
    line = " ".join(said.split()) if isinstance(said, str) else ""
    shown = line[:MAX_TOLD_CHARS].rstrip(".! ")
    return f": {shown}" if shown else ""


def _text_of_page(text: str) -> str:
    """A page of a proxy says it in its title; a plain text has no tags to lose."""
    title = _TITLE.search(text)
    return unescape(title[1] if title else _TAG.sub(" ", text))
