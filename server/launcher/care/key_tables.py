"""Keys and usage as tables, for people."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from datetime import UTC, datetime

from rich.cells import cell_len

from server.ledger.documents import day_name
from server.ledger.key import Key
from server.ledger.usage import Usage


def key_table(keys: Iterable[Key], used: Mapping[str, int], now: float) -> str:
    """`used`: of each key's tokens a day, today; `now`: seconds since 1970."""
    head = ("ID", "NAME", "KEY", "STATE", "MADE", "EXPIRES", "LIMITS")
    rows = [
        (
            key.id,
            key.name,
            f"{key.shown}…",
            key.state(now),
            _moment(key.created),
            "never" if key.expires is None else _moment(key.expires),
            "; ".join(_limits(key, used.get(key.id, 0))) or "none",
        )
        for key in keys
    ]
    return _columns([head, *rows])


def usage_table(usage: Iterable[Usage], names: Mapping[str, str]) -> str:
    head = ("DAY", "KEY", "MODEL", "REQUESTS", "FAILED", "PROMPT", "COMPLETION", "ASSUMED")
    rows = [
        (
            day_name(x.day),
            names.get(x.key, x.key),
            x.model,
            *(
                f"{count:,}"
                for count in (
                    x.requests,
                    x.failed,
                    x.prompt_tokens,
                    x.completion_tokens,
                    x.assumed_tokens,
                )
            ),
        )
        for x in usage
    ]
    return _columns([head, *rows])


def _limits(key: Key, used: int) -> Iterable[str]:
    limits = key.limits
    if limits.requests_per_minute is not None:
        yield f"{limits.requests_per_minute:,} requests/min"
    if limits.tokens_per_minute is not None:
        yield f"{limits.tokens_per_minute:,} tokens/min"
    if limits.parallel is not None:
        yield f"{limits.parallel:,} at a time"
    if limits.tokens_per_day is not None:
        yield f"{used:,} of {limits.tokens_per_day:,} tokens used today"
    if limits.models is not None:
        yield f"only {', '.join(sorted(limits.models))}"
    if key.lane is not None:
        yield f"lane {key.lane}"
    if key.admin:
        yield "administrator"


def _moment(seconds: float) -> str:
    """In UTC, as days are counted here."""
    return datetime.fromtimestamp(seconds, UTC).strftime("%Y-%m-%d %H:%MZ")


def _columns(rows: Sequence[Sequence[str]]) -> str:
    """Names may hold characters that are two columns wide."""
    widths = [max(cell_len(row[column]) for row in rows) for column in range(len(rows[0]))]
    return "\n".join(
        "  ".join(
            cell + " " * (width - cell_len(cell)) for cell, width in zip(row, widths, strict=True)
        ).rstrip()
        for row in rows
    )
