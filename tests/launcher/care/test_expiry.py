from __future__ import annotations

from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from server.launcher.care.expiry import parse_expiry

NOW = datetime(2026, 11, 21, 12, tzinfo=UTC).timestamp()


@pytest.mark.parametrize(
    ("text", "ends"),
    [
        ("12h", datetime(2026, 11, 22, tzinfo=UTC)),
        ("30d", datetime(2026, 12, 21, 12, tzinfo=UTC)),
        ("2w", datetime(2026, 12, 5, 12, tzinfo=UTC)),
        ("2026-12-31", datetime(2027, 1, 1, tzinfo=UTC)),
        ("2026-11-21", datetime(2026, 11, 22, tzinfo=UTC)),
        ("2028-02-29", datetime(2028, 3, 1, tzinfo=UTC)),
    ],
)
def test_spans_begin_now_and_a_day_is_over_at_its_end(text: str, ends: datetime) -> None:
    assert parse_expiry(text, NOW) == ends.timestamp()


def test_never_is_no_moment() -> None:
    assert parse_expiry("never", NOW) is None


NO_MOMENTS = [
    *("", "30", "d", "0d", "-1d", "1.5d", "30D", "30 d", "٣d", "9999999d", "tomorrow", "Never"),
    *("2026-11-20", "0000-01-01", "2026-02-30", "2026-13-01", "26-12-31", "2026-12-31T00:00", "\0"),
]


@pytest.mark.parametrize("text", NO_MOMENTS)
def test_what_is_no_moment_to_come_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="is wanted"):
        parse_expiry(text, NOW)


@given(st.text() | st.from_regex(r"[0-9]{1,7}[hdw]|[0-9]{4}-[0-9]{2}-[0-9]{2}", fullmatch=True))
def test_whatever_is_said_is_a_moment_to_come_or_a_refusal(text: str) -> None:
    try:
        moment = parse_expiry(text, NOW)
    except ValueError:
        return
    assert moment is None or moment > NOW
