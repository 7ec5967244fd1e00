from __future__ import annotations

import pytest
from pydantic import ValidationError

from server.wire.fleet import FleetView, Registration, WorkerView


def test_a_view_comes_back_as_it_was_written() -> None:
    worker = WorkerView(
        address="http://127.0.0.1:1", generation="g", models=("a", "b"), state="draining"
    )
    view = FleetView(settled=False, workers=(worker,))
    assert FleetView.model_validate_json(view.model_dump_json()) == view


def test_a_newer_peers_fields_are_ignored() -> None:
    raw = b'{"workers": [], "settled": true, "mood": "good"}'
    assert FleetView.model_validate_json(raw) == FleetView(workers=())


@pytest.mark.parametrize("wrong", [{"models": ()}, {"speed": 0}, {"slots": 0}, {"queue": -1}])
def test_numbers_that_dispatch_cannot_use_are_refused(wrong: dict[str, object]) -> None:
    with pytest.raises(ValidationError):
        Registration.model_validate({"address": "http://127.0.0.1:1", "models": ("a",)} | wrong)
