from __future__ import annotations

from typing import Any

import pytest

from server.gateway.failover.repeatable import repeatable


@pytest.mark.parametrize(
    "fields",
    [
        {"temperature": 0},
        {"temperature": 0.0},
        {"temperature": -0.0, "seed": None},
        {"top_k": 1},
        {"temperature": 1.5, "top_k": 1},
    ],
)
def test_a_greedy_request_has_one_answer_anywhere(fields: dict[str, Any]) -> None:
    assert repeatable(fields, own_worker=True)
    assert repeatable(fields, own_worker=False)


@pytest.mark.parametrize("seed", [0, 7, -(2**63)])
def test_a_seed_means_the_same_at_our_own_workers_only(seed: int) -> None:
    assert repeatable({"temperature": 1, "seed": seed}, own_worker=True)
    assert not repeatable({"temperature": 1, "seed": seed}, own_worker=False)


@pytest.mark.parametrize(
    "fields",
    [
        {},
        {"temperature": None},
        {"temperature": 0.01},
        {"temperature": False},
        {"temperature": "0"},
        {"temperature": []},
        {"top_k": True},
        {"top_k": 0},
        {"top_k": -1},
        {"seed": None},
        {"seed": True},
        {"seed": 1.5},
        {"seed": "1"},
        {"top_p": 0.1},
    ],
    ids=str,
)
def test_any_other_request_may_be_answered_in_many_ways(fields: dict[str, Any]) -> None:
    assert not repeatable(fields, own_worker=True)
