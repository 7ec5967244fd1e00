"""What requests, responses and chats are made of."""

from __future__ import annotations

from typing import Any, TypeAlias

Json: TypeAlias = dict[str, Any]
"""An object, as it was parsed or will be written."""
