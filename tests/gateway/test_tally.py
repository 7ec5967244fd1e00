from __future__ import annotations

from server.gateway.tally import LAST, Tally, percentiles


def test_a_percentile_is_a_value_that_was_there() -> None:
    assert percentiles([3.0, 1.0, 2.0, 4.0]) == {"p50": 2.0, "p95": 4.0}
    assert percentiles([float(n) for n in range(1, 101)]) == {"p50": 50.0, "p95": 95.0}
    assert percentiles([]) == {"p50": None, "p95": None}


def test_only_the_last_times_are_kept_and_every_request_is_counted() -> None:
    tally = Tally()
    tally.serve(99.0, 99.0)
    for _ in range(LAST):
        tally.serve(0.25, 1.5)
    assert tally.served == LAST + 1
    assert set(tally.times) == {(0.25, 1.5)}
