"""Lanes: how long a request can wait, as its client says."""

from __future__ import annotations

from typing import Final, Literal

from server.core.errors import BadRequest

Lane = Literal["interactive", "normal", "batch"]
LANES: Final[tuple[Lane, ...]] = ("interactive", "normal", "batch")
"""The most urgent first."""
PRIORITY_HEADER: Final = "x-priority"
"""Of a request, to the gateway and from there to the worker; absent: `normal`."""

_BY_WORD: Final[dict[bytes, Lane]] = {lane.encode(): lane for lane in LANES}


def lane_of(word: bytes | None) -> Lane:
    """What `PRIORITY_HEADER` says, in any case. Raises `BadRequest` for another word."""
    if word is None:
        return "normal"
    lane = _BY_WORD.get(word) or _BY_WORD.get(word.strip().lower())
    if lane is None:
        raise BadRequest(
            "The header X-Priority is one of interactive, normal and batch.",
            code="invalid_priority",
        )
    return lane
