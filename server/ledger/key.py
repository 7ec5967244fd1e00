"""An API key, as everything but the ledger's file knows it: without its secret."""

from __future__ import annotations

from dataclasses import dataclass
from hashlib import sha256
from math import inf
from typing import Final, Literal

from server.core.ids import new_secret
from server.wire.lanes import Lane

PREFIX: Final = "sk-sl-"
SHOWN_CHARS: Final = 12
"""Of a key's text, so that its owner knows which one it is."""

State = Literal["active", "expired", "revoked"]


@dataclass(frozen=True, slots=True)
class Limits:
    """None: no limit."""

    models: frozenset[str] | None = None
    """Names that may be asked for, of models or routes; a route opens all that it leads to."""
    requests_per_minute: int | None = None
    tokens_per_minute: int | None = None
    parallel: int | None = None
    """Requests at the same time."""
    tokens_per_day: int | None = None
    """From midnight to midnight UTC."""


@dataclass(frozen=True, slots=True)
class Key:
    id: str
    name: str
    limits: Limits = Limits()
    lane: Lane | None = None
    """Every request of this key goes there; None: wherever the request says."""
    admin: bool = False
    shown: str = ""
    """The beginning of its text."""
    created: float = 0.0
    """Seconds since 1970, as the two below."""
    expires: float | None = None
    revoked: float | None = None

    @property
    def until(self) -> float:
        """It opens nothing from then on; seconds since 1970."""
        if self.revoked is not None:
            return -inf
        return inf if self.expires is None else self.expires

    def state(self, now: float) -> State:
        """`now`: seconds since 1970."""
        if self.revoked is not None:
            return "revoked"
        return "active" if now < self.until else "expired"


def new_text() -> str:
    """What a customer sends: `sk-sl-` and 256 random bits in 43 characters."""
    return PREFIX + new_secret()


def digest_of(text: bytes) -> bytes:
    """What is kept of a key's text.

    One round of SHA-256 is right here, and would be wrong for a password: nobody can try 2^256
    texts, so a slow hash would only cost time on every request.
    """
    return sha256(text).digest()
