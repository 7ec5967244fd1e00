"""Random names for things: requests, completions, worker generations."""

from __future__ import annotations

import os
import secrets
import uuid


def new_id(prefix: str) -> str:
    """`prefix` and 96 random bits, as in `chatcmpl-5f3c…`."""
    return f"{prefix}-{os.urandom(12).hex()}"


def new_uuid() -> str:
    """A random UUID as 32 hex digits: the id of a stored thing."""
    return uuid.uuid4().hex


def new_secret() -> str:
    """256 random bits, safe in a header."""
    return secrets.token_urlsafe(32)
