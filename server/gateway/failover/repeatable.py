"""Which requests have one answer, so that another worker can be asked for it again."""

from __future__ import annotations

from typing import Any


def repeatable(fields: dict[str, Any], *, own_worker: bool) -> bool:
    """Whether the same request gives the same text again.

    Greedy requests do, as far as numbers do: what differs all the same is noticed. `own_worker`:
    one of our local engines, which draw from the seed alone; others promise nothing for a seed.
    """
    if _is_number(fields.get("temperature"), 0) or _is_number(fields.get("top_k"), 1):
        return True
    return own_worker and type(fields.get("seed")) is int


def _is_number(value: object, wanted: int) -> bool:
    return type(value) in (int, float) and value == wanted
