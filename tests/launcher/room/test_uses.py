from __future__ import annotations

from server.launcher.room.uses import Uses
from server.wire.fleet import Load, WorkerView


def view(generation: str = "g", **load: int) -> WorkerView:
    return WorkerView(
        address="http://127.0.0.1:1",
        generation=generation,
        models=("m",),
        load=Load.model_validate(load),
    )


def test_a_worker_that_does_nothing_grows_idle() -> None:
    uses = Uses()
    uses.see("m", view(), 10.0)
    uses.see("m", view(), 15.0)
    assert uses.idle_s("m", 16.0) == 6.0


def test_one_that_is_busy_is_not_idle_at_all() -> None:
    uses = Uses()
    uses.see("m", view(running=1), 10.0)
    assert uses.idle_s("m", 99.0) == 0.0
    uses.see("m", view(served=1), 20.0)
    assert uses.idle_s("m", 21.0) == 1.0


def test_a_request_between_two_looks_counts() -> None:
    uses = Uses()
    uses.see("m", view(served=1), 10.0)
    uses.see("m", view(served=2), 20.0)
    assert uses.last("m") == 20.0


def test_a_new_process_begins_anew() -> None:
    uses = Uses()
    uses.see("m", view("old"), 10.0)
    uses.see("m", view("new"), 20.0)
    assert uses.idle_s("m", 21.0) == 1.0


def test_of_a_stranger_nothing_is_known() -> None:
    assert Uses().idle_s("m", 99.0) == 0.0
    assert not Uses().is_idle("m")
