"""Queries of who used what."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Final

KEEP_DAYS: Final = 400
"""Usage that is older is forgotten."""


@dataclass(frozen=True, slots=True)
class Usage:
    """What one key had of one model on one day."""

    key: str
    """Its id."""
    model: str
    day: int
    """Since 1970, in UTC."""
    requests: int
    """Those that limits let in, for a model or route that exists."""
    failed: int
    """Of them: those without a whole answer, whoever's fault that was."""
    prompt_tokens: int
    completion_tokens: int
    assumed_tokens: int
    """Charged to the key's budget because a request ended without its worker's count."""


def add_usage(db: sqlite3.Connection, more: Iterable[Usage]) -> None:
    db.executemany(
        "INSERT INTO usage VALUES (?, ?, ?, ?, ?, ?, ?, ?) "
        "ON CONFLICT (day, key, model) DO UPDATE SET requests = requests + excluded.requests, "
        "failed = failed + excluded.failed, "
        "prompt_tokens = prompt_tokens + excluded.prompt_tokens, "
        "completion_tokens = completion_tokens + excluded.completion_tokens, "
        "assumed_tokens = assumed_tokens + excluded.assumed_tokens",
        [
            (
                x.day,
                x.key,
                x.model,
                x.requests,
                x.failed,
                x.prompt_tokens,
                x.completion_tokens,
                x.assumed_tokens,
            )
            for x in more
        ],
    )


def usage_since(db: sqlite3.Connection, day: int) -> list[Usage]:
    """The newest day first."""
    rows = db.execute(
        "SELECT key, model, day, requests, failed, prompt_tokens, completion_tokens, "
        "assumed_tokens FROM usage WHERE day >= ? ORDER BY day DESC, key, model",
        (day,),
    )
    return [Usage(*row) for row in rows]


def forget_usage(db: sqlite3.Connection, before: int) -> None:
    """`before`: a day."""
    db.execute("DELETE FROM usage WHERE day < ?", (before,))
