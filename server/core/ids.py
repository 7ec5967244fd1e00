"""Names for things: random ones for requests and the like, lasting ones for processes."""

from __future__ import annotations

import os
import secrets
import uuid
from socket import gethostname

_HEX_CHARS = 24
_AT_ONCE = 512
_ready: list[str] = []
"""Random digits that nobody has had yet: to ask the system for each name costs three times more."""


def new_id(prefix: str) -> str:
    """`prefix` and 96 random bits, as in `chatcmpl-5f3c…`."""
    try:
        return f"{prefix}-{_ready.pop()}"
    except IndexError:
        digits = os.urandom(_AT_ONCE * _HEX_CHARS // 2).hex()
        _ready.extend(digits[at : at + _HEX_CHARS] for at in range(0, len(digits), _HEX_CHARS))
        return f"{prefix}-{_ready.pop()}"


def new_uuid() -> str:
    """A random UUID as 32 hex digits: the id of a stored thing."""
    return uuid.uuid4().hex


def new_secret() -> str:
    """256 random bits, safe in a header."""
    return secrets.token_urlsafe(32)


def name_here(process: str) -> str:
    """`process`, told apart from the one of that name at another machine."""
    return f"{process}@{gethostname()}"
