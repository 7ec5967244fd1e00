"""`startup.py join` and `leave`, against a launcher that does what it hears."""

from __future__ import annotations

import asyncio
import os
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from server.clients.joined import JoinedFile
from server.launcher.care import joining
from server.launcher.care.joining import join, leave
from server.launcher.cli import build_parser
from server.launcher.running.guests import worker_of
from server.launcher.running.inbox import take_wishes
from server.launcher.running.state import read_state, start_of, write_state
from server.launcher.setup.home import Home
from server.wire.fleet import FLEET_HEADER
from server.wire.launcher import ChildState, LauncherState, Routing
from server.wire.process import Join, Leave
from tests.fakes.servers import FakeServer
from tests.fakes.upstream import Upstream, upstream


@pytest.fixture
def running(home: Home) -> Home:
    children = (ChildState(name="online_api openai", role="online_api", status="ready"),)
    state = LauncherState(
        pid=os.getpid(),
        created=start_of(os.getpid()) or 0.0,
        version="1",
        home=str(home.root),
        log_folder="",
        drain_s=1,
        children=children,
        fleet="ours",
    )
    write_state(state, home.state_file)
    return home


@contextmanager
def launcher(home: Home, routing: Routing = "ready") -> Iterator[None]:
    """`routing`: of who joins."""
    over = threading.Event()

    def obey() -> None:
        file = JoinedFile(home.joined_file)
        while not over.is_set():
            for wish in take_wishes(home.wishes):
                if isinstance(wish, Join):
                    file.add(wish.join)
                    state = read_state(home.state_file)
                    assert state is not None
                    name = worker_of(wish.join.name)
                    child = ChildState(name=name, role="online_api", routing=routing)
                    children = (*state.children, child)
                    write_state(state.model_copy(update={"children": children}), home.state_file)
                elif isinstance(wish, Leave):
                    file.remove(wish.leave)
            time.sleep(0.01)

    thread = threading.Thread(target=obey)
    thread.start()
    try:
        yield
    finally:
        over.set()
        thread.join()


@contextmanager
def serving(fake: FakeServer) -> Iterator[Upstream]:
    """In a loop of its own, as the command makes one too."""
    loop = asyncio.new_event_loop()
    thread = threading.Thread(target=loop.run_forever)
    thread.start()
    served = upstream(fake.script)
    try:
        yield asyncio.run_coroutine_threadsafe(served.__aenter__(), loop).result(5)
        end = served.__aexit__(None, None, None)
        asyncio.run_coroutine_threadsafe(end, loop).result(5)
    finally:
        loop.call_soon_threadsafe(loop.stop)
        thread.join()
        loop.close()


def asked(home: Home, *words: str, **environ: str) -> int:
    return join(home, build_parser().parse_args(["join", *words]), environ)


def test_a_server_joins_and_leaves(running: Home, capsys: pytest.CaptureFixture[str]) -> None:
    fake = FakeServer("vllm", ["a", "b"], key="sk-1")
    with serving(fake) as server, launcher(running):
        assert asked(running, server.url, "--name", "gpu", "--key-env", "GPU", GPU="sk-1") == 0
        said = capsys.readouterr().out
        assert "gpu (vllm 0.11.0) has joined" in said
        assert said.endswith("Its models: a, b\n"), "they can be asked"
        assert server.received[0].header(FLEET_HEADER) == "ours"
        assert asked(running, server.url) == 2
        assert "has joined already, as 'gpu'" in capsys.readouterr().out
        assert leave(running, "gpu") == 0
        assert leave(running, "gpu") == 2


def test_who_is_not_up_yet_is_said_to_be_on_the_way(
    running: Home, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(joining, "UP_S", 0.1)
    with serving(FakeServer("vllm", ["a"])) as server, launcher(running, "absent"):
        assert asked(running, server.url, "--name", "gpu") == 0
    assert "They can be asked in a moment" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("words", "why"),
    [
        (["nonsense"], "an address is needed"),
        (["http://127.0.0.1:9"], "cannot be reached"),
        (["http://a", "--name", "openai"], "is taken"),
        (["http://a", "--key-env", "NOT_THERE"], "NOT_THERE is not set"),
        (["http://a", "--slots", "0"], "slots"),
    ],
)
def test_what_cannot_join_is_said_and_nothing_is_told(
    running: Home, words: list[str], why: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert asked(running, *words) == 2
    assert why in capsys.readouterr().out
    assert take_wishes(running.wishes) == []


def test_what_was_not_joined_by_hand_does_not_leave(
    running: Home, capsys: pytest.CaptureFixture[str]
) -> None:
    assert leave(running, "openai") == 2
    assert "stands in configs/" in capsys.readouterr().out


def test_nothing_joins_where_nothing_runs(home: Home, capsys: pytest.CaptureFixture[str]) -> None:
    assert asked(home, "http://a") == 3
    assert leave(home, "a") == 3


def test_a_launcher_that_refuses_is_told_of(
    running: Home, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(joining, "HEARD_S", 0.05)
    monkeypatch.setattr(joining, "is_heard", lambda wish: True)
    with serving(FakeServer("openai")) as server:
        assert asked(running, server.url) == 1
    assert "its log says why" in capsys.readouterr().out
