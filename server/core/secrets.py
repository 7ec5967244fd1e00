"""A secret that hides in every form but the one it is handed over in."""

from __future__ import annotations

import hmac
from typing import Annotated

from pydantic import PlainSerializer, SecretStr

Secret = Annotated[SecretStr, PlainSerializer(SecretStr.get_secret_value, when_used="json")]
"""Shown as `**********` by `str` and `repr`; written in clear by `model_dump_json`.

JSON of a settings object goes to a child's standard input and nowhere else.
"""


def same_secret(offered: str, expected: SecretStr) -> bool:
    """Compare in constant time."""
    return hmac.compare_digest(offered.encode(), expected.get_secret_value().encode())


def derived(secret: SecretStr, purpose: str) -> str:
    """64 hex digits that whoever has `secret` can make, and from which it does not follow."""
    return hmac.digest(secret.get_secret_value().encode(), purpose.encode(), "sha256").hex()
