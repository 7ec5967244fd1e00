from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from server.core.errors import StartError
from server.core.memory.room import Room
from server.core.settings import ModelSettings
from server.worker.engines.transformers import load
from server.worker.weights import room
from server.worker.weights.progress import TELL_S, Telling
from tests.fakes.engines import Said

SIZES = {"a": 3_000_000_000, "b": 1_000_000_000}


def telling(said: Said, step_s: float) -> Telling:
    """A clock that goes on by `step_s` at each look."""
    times = iter(float(step_s * n) for n in range(1, 100))
    return Telling(SIZES, "cuda", said, lambda: next(times))


def passed(telling: Telling, *names: str) -> None:
    list(telling.bar(list, ([(name, None) for name in names],), {"desc": "Loading weights"}))


def test_each_tensor_counts_with_its_own_bytes() -> None:
    said = Said()
    passed(telling(said, TELL_S), "a", "b")
    assert [report.detail for report in said.reports] == [
        "weights, 3.0 of 4.0 GB (75%), on cuda",
        "weights, 4.0 of 4.0 GB (100%), on cuda",
        "weights, 4.0 of 4.0 GB (100%), on cuda",
    ]
    assert [report.done for report in said.reports] == [0.75, 1.0, 1.0]


def test_between_two_words_some_time_passes() -> None:
    said = Said()
    passed(telling(said, 0.0), "a", "b")
    assert len(said.reports) <= 2


def test_what_was_renamed_counts_as_the_mean() -> None:
    said = Said()
    passed(telling(said, TELL_S), "x", "y")
    assert [report.done for report in said.reports] == [0.5, 1.0, 1.0]


def test_other_bars_are_left_alone() -> None:
    made = telling(Said(), 1.0).bar(lambda items, desc: (items, desc), ([1],), {"desc": "other"})
    assert made == ([1], "other")


def test_a_model_tells_of_its_weights_as_it_loads(tiny_llama: Path) -> None:
    said = Said()
    load(settings(tiny_llama), said).close()
    told = [report for report in said.reports if report.done is not None]
    assert told[0].done == 0.0
    assert told[-1].done == 1.0
    assert told[-1].detail.endswith("(100%), on cpu")


def test_what_cannot_fit_is_refused_before_it_is_loaded(
    tiny_llama: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(room, "ram", lambda: Room(2**20, 2**30))
    said = Said()
    with pytest.raises(StartError, match=r"'tiny' needs about 0\.\d GiB .* 1 MiB are free"):
        load(settings(tiny_llama), said)
    assert not any("weights" in report.detail for report in said.reports)
    load(settings(tiny_llama, memory="unchecked"), said).close()


def settings(folder: Path, **more: Any) -> ModelSettings:
    return ModelSettings(name="tiny", path=str(folder), device="cpu", threads=1, **more)
