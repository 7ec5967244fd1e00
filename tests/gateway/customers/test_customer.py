from __future__ import annotations

import pytest

from server.core.errors import ModelNotFound
from server.gateway.customers.customer import Customer
from server.gateway.customers.grant import MAX_TOKENS, Grant
from server.gateway.customers.refusals import LimitReached
from server.ledger.key import Key, Limits
from server.ledger.usage import Usage
from server.wire.lanes import Lane
from tests.fakes.clock import ManualClock
from tests.gateway.customers.conftest import customer

DAY = 1_700_001_000 // 86_400


def admitted(of: Customer, tokens: int = 10, model: str = "m", lane: Lane = "normal") -> Grant:
    grant = of.admit(model, lane, tokens)
    assert grant is not None
    return grant


def refused(of: Customer, tokens: int = 10) -> LimitReached:
    with pytest.raises(LimitReached) as caught:
        of.admit("m", "normal", tokens)
    return caught.value


def test_a_key_without_limits_gets_everything(clock: ManualClock) -> None:
    free = customer(clock, Limits())
    for _ in range(1000):
        assert admitted(free, 10**12).meters.limit_headers() == ()


def test_a_model_that_a_key_may_not_use_does_not_exist_for_it(clock: ManualClock) -> None:
    held = customer(clock, Limits(models=frozenset({"m"})))
    admitted(held).close()
    for model in ("M", "m ", "", "other", "m\0"):
        with pytest.raises(ModelNotFound) as caught:
            held.admit(model, "normal", 10)
        assert (caught.value.status, caught.value.code) == (404, "model_not_found")
        assert not held.allows(model)
    assert held.running == 0


@pytest.mark.parametrize(
    ("own", "asked", "given"), [(None, "batch", "batch"), ("batch", "interactive", "batch")]
)
def test_the_lane_of_a_key_overrides_the_one_asked_for(
    clock: ManualClock, own: Lane | None, asked: Lane, given: Lane
) -> None:
    assert admitted(customer(clock, Limits(), lane=own), lane=asked).lane == given


def test_requests_per_minute(clock: ManualClock) -> None:
    held = customer(clock, Limits(requests_per_minute=3))
    for _ in range(3):
        clock.advance(10)
        with admitted(held) as grant:
            grant.settle(1, 1)
    error = refused(held)
    assert (error.status, error.code, error.type) == (
        429,
        "rate_limit_exceeded",
        "rate_limit_error",
    )
    assert error.retry_after_s == 41  # the first went by 20 s ago
    assert dict(error.headers) == {
        b"x-ratelimit-limit-requests": b"3",
        b"x-ratelimit-remaining-requests": b"0",
        b"x-ratelimit-reset-requests": b"61s",
    }
    clock.advance(40)
    refused(held)
    clock.advance(1)
    admitted(held)
    refused(held)


def test_tokens_per_minute_count_what_was_used_once_that_is_known(clock: ManualClock) -> None:
    held = customer(clock, Limits(tokens_per_minute=100))
    with admitted(held, 90) as grant:
        refused(held, 20)
        grant.settle(10, 20)
    assert dict(grant.meters.limit_headers())[b"x-ratelimit-remaining-tokens"] == b"70"
    with admitted(held, 70):
        pass
    error = refused(held, 1)
    assert (error.code, error.retry_after_s) == ("rate_limit_exceeded", 61)


def test_a_request_larger_than_its_limit_is_not_told_to_wait(clock: ManualClock) -> None:
    for limits in (Limits(tokens_per_minute=100), Limits(tokens_per_day=100)):
        error = refused(customer(clock, limits), 101)
        assert error.retry_after_s is None
        assert "max_tokens" in error.message


def test_parallel_requests(clock: ManualClock) -> None:
    held = customer(clock, Limits(parallel=2))
    first, second = admitted(held), admitted(held)
    assert refused(held).retry_after_s == 1
    first.settle(1, 1)
    refused(held)
    first.close()
    first.close()
    third = admitted(held)
    refused(held)
    second.close()
    third.close()
    assert held.running == 0


def test_a_place_is_given_back_when_the_block_fails(clock: ManualClock) -> None:
    held = customer(clock, Limits(parallel=1))
    with pytest.raises(KeyError):
        with admitted(held):
            raise KeyError
    admitted(held)


def test_a_request_that_reached_no_worker_costs_nothing(clock: ManualClock) -> None:
    held = customer(clock, Limits(requests_per_minute=1, tokens_per_minute=10))
    for _ in range(20):
        with admitted(held, 10) as grant:
            grant.cancel()
            grant.cancel()
            grant.settle(500, 500)
    assert held.tallies.take() == [Usage("key-1", "m", DAY, 20, 20, 0, 0, 0)]


def test_a_request_that_nobody_counted_costs_what_was_set_aside(clock: ManualClock) -> None:
    held = customer(clock, Limits(tokens_per_minute=100))
    with admitted(held, 60):
        pass
    assert held.tallies.take() == [Usage("key-1", "m", DAY, 1, 1, 0, 0, 60)]
    refused(held, 41)


@pytest.mark.parametrize(
    "nonsense", [-1, True, 1.0, None, "5", 10**18, MAX_TOKENS + 1, float("nan")]
)
def test_a_count_that_is_none_is_not_believed(clock: ManualClock, nonsense: int) -> None:
    held = customer(clock, Limits())
    for counts in ((nonsense, 1), (1, nonsense)):
        with admitted(held, 60) as grant:
            grant.settle(*counts)
    assert held.tallies.take() == [Usage("key-1", "m", DAY, 2, 2, 0, 0, 120)]


def test_the_first_word_about_a_request_counts(clock: ManualClock) -> None:
    held = customer(clock, Limits())
    with admitted(held) as grant:
        grant.model = "the one that served"
        grant.settle(3, 4, failed=True)
        grant.settle(30, 40)
        grant.cancel()
    assert held.tallies.take() == [Usage("key-1", "the one that served", DAY, 1, 1, 3, 4, 0)]


def test_nobody_can_give_tokens(clock: ManualClock) -> None:
    with pytest.raises(ValueError):
        customer(clock, Limits(tokens_per_minute=5)).admit("m", "normal", -1)


def test_a_day_begins_at_midnight_utc_and_none_begins_twice(clock: ManualClock) -> None:
    held = customer(clock, Limits(tokens_per_day=100))
    assert held.admit("m", "normal", 10) is None
    today = held.pool
    assert today is not None and today.day == DAY
    clock.advance(-86_400)
    assert held.admit("m", "normal", 10) is None
    assert held.pool is today
    clock.advance(2 * 86_400)
    assert held.admit("m", "normal", 10) is None
    assert held.pool is not today and held.pool.day == DAY + 1


def test_what_passed_is_remembered_when_a_limit_changes(clock: ManualClock) -> None:
    held = customer(clock, Limits(requests_per_minute=2))
    admitted(held)
    held.follow(Key("key-1", "alice", Limits(requests_per_minute=1, parallel=5)))
    assert dict(refused(held).headers)[b"x-ratelimit-limit-requests"] == b"1"
    held.follow(Key("key-1", "alice", Limits()))
    admitted(held)


def test_a_limit_that_begins_while_a_request_runs_has_nothing_to_give_back(
    clock: ManualClock,
) -> None:
    held = customer(clock, Limits())
    over, cancelled = admitted(held, 500), admitted(held, 500)
    limits = Limits(requests_per_minute=1, tokens_per_minute=100)
    held.follow(Key("key-1", "alice", limits))
    over.settle(1, 1)
    cancelled.cancel()
    assert dict(held.limit_headers())[b"x-ratelimit-remaining-tokens"] == b"100"
    admitted(held, 100)
    refused(held, 1)


def test_several_processes_share_what_is_left(clock: ManualClock) -> None:
    limits = Limits(requests_per_minute=10, tokens_per_minute=1000, parallel=4)
    held = Customer(Key("key-1", "a", limits), clock, customer(clock, limits).tallies, "gw", 2)
    for _ in range(2):
        admitted(held)
    refused(held)  # half of four
    held.share(0, 0, 0)
    admitted(held)
    held.share(9, 0, 0)
    assert refused(held).retry_after_s == 61
