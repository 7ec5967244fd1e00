from __future__ import annotations

from server.gateway.customers.tallies import MAX_PENDING, OTHERS, Tallies
from server.ledger.usage import Usage


def test_requests_of_one_key_model_and_day_are_one_line() -> None:
    tallies = Tallies()
    tallies.add("k", "m", 7, False, 10, 20, 0)
    tallies.add("k", "m", 7, True, 0, 0, 5)
    tallies.add("k", "m", 8, False, 1, 1, 0)
    assert tallies.take() == [
        Usage("k", "m", 7, 2, 1, 10, 20, 5),
        Usage("k", "m", 8, 1, 0, 1, 1, 0),
    ]
    assert tallies.take() == []


def test_what_could_not_be_told_is_told_with_what_came_since() -> None:
    tallies = Tallies()
    tallies.add("k", "m", 7, True, 10, 20, 1)
    untold = tallies.take()
    tallies.add("k", "m", 7, False, 1, 2, 3)
    tallies.put_back(untold)
    assert tallies.take() == [Usage("k", "m", 7, 2, 1, 11, 22, 4)]


def test_memory_is_bounded_and_no_token_is_lost() -> None:
    tallies = Tallies()
    for number in range(MAX_PENDING + 50):
        tallies.add("k", f"m{number}", 7, False, 1, 0, 0)
    told = tallies.take()
    assert len(told) == MAX_PENDING + 1
    assert told[-1] == Usage("k", OTHERS, 7, 50, 0, 50, 0, 0)


def test_a_name_that_no_file_can_hold_spoils_nothing() -> None:
    tallies = Tallies()
    tallies.add("k", "a\ud800b", 7, False, 1, 0, 0)
    tallies.add("k", "x" * 10_000, 7, False, 1, 0, 0)
    assert [len(told.model.encode()) for told in tallies.take()] == [3, 200]
