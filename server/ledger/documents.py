"""Keys and usage as JSON, the same at `/admin` and from `startup.py key`."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

from server.ledger.budget import DAY_S
from server.ledger.key import Key
from server.ledger.usage import Usage


def key_document(key: Key, now: float, tokens_today: int = 0) -> dict[str, Any]:
    """Without anything that opens a door. `now`: seconds since 1970, as every time in it.

    `tokens_today`: spent of its `tokens_per_day`; counted only for a key that has such a limit.
    """
    limits = key.limits
    return {
        "object": "key",
        "id": key.id,
        "name": key.name,
        "shown": key.shown,
        "state": key.state(now),
        "models": None if limits.models is None else sorted(limits.models),
        "requests_per_minute": limits.requests_per_minute,
        "tokens_per_minute": limits.tokens_per_minute,
        "parallel": limits.parallel,
        "tokens_per_day": limits.tokens_per_day,
        "tokens_today": None if limits.tokens_per_day is None else tokens_today,
        "lane": key.lane,
        "admin": key.admin,
        "created": int(key.created),
        "expires": None if key.expires is None else int(key.expires),
        "revoked": None if key.revoked is None else int(key.revoked),
    }


def usage_document(usage: Usage, names: dict[str, str]) -> dict[str, Any]:
    """`names`: of the keys, by id; who has no key in the ledger goes by the id."""
    return {
        "object": "usage",
        "day": day_name(usage.day),
        "key": usage.key,
        "name": names.get(usage.key, usage.key),
        "model": usage.model,
        "requests": usage.requests,
        "failed": usage.failed,
        "prompt_tokens": usage.prompt_tokens,
        "completion_tokens": usage.completion_tokens,
        "assumed_tokens": usage.assumed_tokens,
    }


def day_name(day: int) -> str:
    """`2026-11-05`."""
    return datetime.fromtimestamp(day * DAY_S, UTC).date().isoformat()
