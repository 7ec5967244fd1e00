from __future__ import annotations

import io

from rich.console import Console

from server.launcher.screen.live import children_table
from server.launcher.screen.view import Lines
from server.wire.launcher import ChildState


def child(name: str, status: str, **more: object) -> ChildState:
    return ChildState.model_validate({"name": name, "role": "x", "status": status, **more})


def test_each_change_is_one_line_and_said_once() -> None:
    out = io.StringIO()
    view = Lines(out)
    waiting, loading = child("a", "waiting"), child("a", "loading", detail="weights")
    ready = child("a", "ready", address="http://127.0.0.1:1")
    for state in (waiting, child("a", "starting"), loading, loading, ready, ready):
        view.changed([state])
    assert out.getvalue().splitlines() == [
        "a: starting",
        "a: weights",
        "a: ready at http://127.0.0.1:1",
    ]


def test_of_weights_only_each_quarter_is_a_line() -> None:
    out = io.StringIO()
    view = Lines(out)
    for percent in (0, 10, 20, 26, 40, 99, 100, 100):
        view.changed([child("a", "loading", detail=f"weights {percent} %", done=percent / 100)])
    view.changed([child("a", "loading", detail="first step")])
    assert out.getvalue().splitlines() == [
        "a: weights 0 %",
        "a: weights 26 %",
        "a: weights 99 %",
        "a: weights 100 %",
        "a: first step",
    ]


def test_after_loading_only_what_is_said_is_shown() -> None:
    out = io.StringIO()
    view = Lines(out)
    view.settle()
    view.changed([child("a", "starting")])
    view.say("a died")
    assert out.getvalue() == "a died\n"


def test_a_reader_that_has_gone_does_not_stop_anything() -> None:
    out = io.StringIO()
    out.close()
    Lines(out).say("nobody hears")


def test_the_table_shows_process_state_seconds_and_detail() -> None:
    console = Console(file=io.StringIO(), width=100)
    children = [
        child("model_worker a", "loading", detail="weights", since=90.0),
        child("controller", "ready", address="http://127.0.0.1:1", since=98.0),
        child("model_worker [b]", "waiting"),
    ]
    console.print(children_table(children, now=100.0))
    assert isinstance(console.file, io.StringIO)
    _, first, second, third = console.file.getvalue().splitlines()
    assert first.split() == ["model_worker", "a", "loading", "10", "weights"]
    assert second.split() == ["controller", "ready", "2", "http://127.0.0.1:1"]
    assert third.split() == ["model_worker", "[b]", "waiting"]
