"""When a key ends, as people say it."""

from __future__ import annotations

import re
from datetime import UTC, date, datetime, time, timedelta
from typing import Final

_SPAN: Final = re.compile(r"([0-9]{1,6})([hdw])")
_DATE: Final = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}")
_UNIT_S: Final = {"h": 3600, "d": 86_400, "w": 7 * 86_400}
WANTED: Final = "12h, 30d, 2w, a day such as 2030-12-31 (all of it, in UTC) or never is wanted"


def parse_expiry(text: str, now: float) -> int | None:
    """Seconds since 1970, as `now`; None: never. Raises `ValueError` that says what is wanted."""
    if text == "never":
        return None
    if span := _SPAN.fullmatch(text):
        return _later(int(now) + int(span[1]) * _UNIT_S[span[2]], now)
    if _DATE.fullmatch(text) is None:
        raise ValueError(WANTED)
    try:
        day = date.fromisoformat(text) + timedelta(days=1)
    except (ValueError, OverflowError) as error:
        raise ValueError(f"there is no day {text}; {WANTED}") from error
    return _later(int(datetime.combine(day, time(), UTC).timestamp()), now)


def _later(moment: int, now: float) -> int:
    if moment <= now:
        raise ValueError("this moment is over; " + WANTED)
    return moment
