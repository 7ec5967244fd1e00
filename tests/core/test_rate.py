from __future__ import annotations

import pytest

from server.core.rate import MEMORY_S, Rate


def test_what_happens_steadily_is_counted_by_the_second() -> None:
    rate = Rate()
    for number in range(1_000):
        rate.count(50.0 + number / 20)
    assert rate.per_s(100.0) == pytest.approx(20.0, rel=0.05)


def test_what_happened_long_ago_is_forgotten() -> None:
    rate = Rate()
    for _ in range(100):
        rate.count(5.0)
    before = rate.per_s(5.0)
    assert rate.per_s(5.0 + MEMORY_S) == pytest.approx(before * 0.368, rel=0.01)
    assert rate.per_s(5.0 + 20 * MEMORY_S) < 1e-6


def test_nothing_has_happened_at_first() -> None:
    assert Rate().per_s(0.0) == Rate().per_s(1e9) == 0.0
