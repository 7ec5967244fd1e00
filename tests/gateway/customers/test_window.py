from __future__ import annotations

from math import inf

from hypothesis import given
from hypothesis import strategies as st

from server.gateway.customers.window import SLOTS, Window

steps = st.lists(
    st.tuples(
        st.floats(min_value=0, max_value=70, allow_nan=False), st.integers(min_value=1, max_value=9)
    ),
    max_size=60,
)


def tried(window: Window, now: float, amount: int) -> bool:
    window.advance(int(now))
    if not window.fits(amount):
        return False
    window.add(int(now), amount)
    return True


@given(st.integers(min_value=1, max_value=20), st.floats(min_value=0, max_value=1e6), steps)
def test_in_no_minute_more_passes_than_the_limit(
    limit: int, now: float, moves: list[tuple[float, int]]
) -> None:
    window, passed = Window("requests", limit), []
    for wait_s, amount in moves:
        now += wait_s
        if tried(window, now, amount):
            passed.append((now, amount))
    for begin, _ in passed:
        assert sum(n for at, n in passed if begin <= at < begin + 60) <= limit


@given(st.integers(min_value=1, max_value=20), st.floats(min_value=0, max_value=1e6), steps)
def test_who_waits_as_long_as_is_said_passes_and_not_a_second_earlier(
    limit: int, now: float, moves: list[tuple[float, int]]
) -> None:
    window = Window("requests", limit)
    for wait_s, amount in moves:
        now += wait_s
        if tried(window, now, amount):
            continue
        said_s = window.wait_s(now, amount)
        if amount > limit:
            assert said_s == inf
            continue
        assert 0 < said_s <= SLOTS
        if said_s > 1:
            window.advance(int(now + said_s - 1))
            assert window.total + amount > limit
        now += said_s + 1e-6
        assert tried(window, now, amount)


@given(steps)
def test_what_is_taken_back_never_passed(moves: list[tuple[float, int]]) -> None:
    window, now = Window("tokens", 10**6), 100.0
    for wait_s, amount in moves:
        now += wait_s
        assert tried(window, now, amount)
        window.amend(int(now), -amount)
        assert window.total == 0


def test_what_was_more_than_said_counts_until_its_minute_is_over() -> None:
    window = Window("tokens", 100)
    assert tried(window, 100.0, 10)
    window.advance(130)
    window.amend(100, 85)
    assert not tried(window, 160.9, 10)
    assert tried(window, 161.0, 10)
    window.amend(100, -95)  # of a minute that is over
    assert window.total == 10


def test_headers_say_what_is_left_and_when_all_is_there_again() -> None:
    window = Window("tokens", 1000)
    assert tried(window, 100.2, 300)
    window.others = 200
    assert window.headers(130) == (
        (b"x-ratelimit-limit-tokens", b"1000"),
        (b"x-ratelimit-remaining-tokens", b"500"),
        (b"x-ratelimit-reset-tokens", b"31s"),
    )
    window.others = 5000
    assert window.headers(161)[1:] == (
        (b"x-ratelimit-remaining-tokens", b"0"),
        (b"x-ratelimit-reset-tokens", b"0s"),
    )


def test_other_processes_that_are_in_the_way_are_gone_within_a_minute() -> None:
    window = Window("requests", 10)
    window.others, window.most = 10, 0
    window.advance(100)
    assert window.wait_s(100.0, 1) == SLOTS
    window.others, window.most = 9, 0  # it fits, but this process must hear so first
    assert window.wait_s(100.0, 1) == 0


def test_what_is_larger_than_our_share_may_pass_once_until_the_others_are_heard_of() -> None:
    window = Window("tokens", 100)
    window.share(most=50, others=0)
    assert tried(window, 1.0, 84)
    assert not tried(window, 1.0, 10)
    window.share(most=92, others=0)
    assert tried(window, 1.0, 8)
    window.share(most=92, others=8)
    assert not tried(window, 1.0, 8)
