from __future__ import annotations

from typing import cast

import pytest

from server.core.settings import ModelSettings
from server.launcher.room.resting import Trouble, resting_of
from server.launcher.running.keeper import Keeper
from server.wire.fleet import Resting
from tests.fakes.kept import Kept, Plan

MODEL = ModelSettings(name="m", path="x", slots=2, queue=3)


def told(*kept: Kept, trouble: Trouble | None = None, now: float = 0.0) -> Resting | None:
    return resting_of(MODEL, cast(list[Keeper], list(kept)), None, trouble, now)


def test_one_that_dozes_is_asleep_and_says_how_many_may_wait() -> None:
    resting = told(Kept(dozes="idle"))
    assert resting == Resting(model="m", abilities=("chat", "completions"), places=5)


def test_one_that_wakes_says_how_far_it_is() -> None:
    resting = told(Kept(status="loading", waking=True, detail="weights"))
    assert resting is not None
    assert (resting.state, resting.detail) == ("loading", "weights")


@pytest.mark.parametrize(
    "kept",
    [
        Kept(status="ready", routing="ready"),
        Kept(status="loading"),
        Kept(status="backoff"),
        Kept(dozes="idle", held=True),
        Kept(dozes="idle", plan=Plan(drains=True)),
        Kept(status="quarantined"),
    ],
)
def test_what_is_not_loaded_for_being_asked_does_not_rest(kept: Kept) -> None:
    assert told(kept) is None


def test_while_one_replica_serves_the_model_does_not_rest() -> None:
    assert told(Kept(dozes="idle"), Kept(status="ready", routing="ready")) is None


def test_one_that_is_being_unloaded_rests_already() -> None:
    assert told(Kept(status="ready", routing="ready", retiring=True)) is not None


def test_after_trouble_it_is_tried_again_only_after_a_while() -> None:
    trouble = Trouble("no room", until=10.0)
    for now, retry in ((9.0, False), (10.0, True)):
        resting = told(Kept(status="quarantined"), trouble=trouble, now=now)
        assert resting is not None
        assert (resting.trouble, resting.retry) == ("no room", retry)
