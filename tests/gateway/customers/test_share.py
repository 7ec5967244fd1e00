from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from server.gateway.customers.share import most_of

counts = st.integers(min_value=0, max_value=500)


@given(counts, st.lists(counts, min_size=1, max_size=8))
def test_gateways_that_heard_the_same_exceed_a_limit_by_rounding_only(
    limit: int, mine: list[int]
) -> None:
    total = sum(mine)
    most = sum(most_of(limit, own, total - own, len(mine)) for own in mine)
    assert most <= max(limit, total) + len(mine) - 1


@given(counts, counts, counts)
def test_one_gateway_alone_has_all_of_it(limit: int, mine: int, others: int) -> None:
    assert most_of(limit, mine, 0, 1) == max(limit, mine)
    assert most_of(limit, mine, others, 1) <= max(limit, mine)


def test_one_gateway_that_gets_all_requests_gets_all_of_the_limit_in_a_few_steps() -> None:
    mine = 0
    for _ in range(40):
        mine = most_of(1000, mine, 0, 4)
    assert mine == 1000
