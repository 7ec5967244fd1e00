"""The budget of retries."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from server.core.limits import RETRY_RESERVE, RETRY_SHARE
from server.gateway.retry_budget import RetryBudget


def retried(budget: RetryBudget) -> bool:
    if not budget.allow():
        return False
    budget.spend()
    return True


def test_a_workers_death_is_within_it_at_once() -> None:
    budget = RetryBudget()
    assert all(retried(budget) for _ in range(RETRY_RESERVE))
    assert not retried(budget)
    assert budget.refused == 1


@given(st.lists(st.booleans(), max_size=2000))
def test_retries_stay_a_share_of_the_requests(wants_retry: list[bool]) -> None:
    budget = RetryBudget()
    retries = 0
    for wants in wants_retry:
        budget.earn()
        retries += wants and retried(budget)
    assert retries <= RETRY_SHARE * len(wants_retry) + RETRY_RESERVE


def test_what_was_saved_up_is_bounded() -> None:
    budget = RetryBudget()
    for _ in range(10_000):
        budget.earn()
    assert sum(retried(budget) for _ in range(1_000)) == RETRY_RESERVE
