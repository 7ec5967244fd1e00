"""Processes that are killed or stopped in the middle of an answer, and readers that leave."""

from __future__ import annotations

import signal
import sqlite3
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import httpx
import pytest

from server.wire.browser import Message
from server.wire.fleet import SECRET_HEADER
from tests.browser.server import MINI, SLOW, Server, sentence, served
from tests.store.conftest import postgres_database
from tests.system.launch import command, is_alive, until
from tests.system.streams import Listener

pytestmark = [pytest.mark.system, pytest.mark.slow]

SECRET = "a-secret-of-this-test-0123456789abcdef"
GRACE_S = 1.0
BACK_S = 30.0
QUESTION = sentence(120)
LONG = 2_000
"""Words that take `slow` most of a minute."""


@pytest.fixture(scope="module")
def web(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    settings = {
        "SHORTLINE_CONTROLLER__SECRET": SECRET,
        "SHORTLINE_CHAT__GRACE_S": str(GRACE_S),
    }
    with served(tmp_path_factory.mktemp("faults") / "home", [SLOW, MINI], **settings) as running:
        yield running


def kill_in_mid_answer(web: Server, listener: Listener, victim: str) -> None:
    """Killed when the first words are there; the reader stays."""
    killed = False
    for _ in listener.frames():
        if len(listener.text) > 40 and not killed:
            web.launch.kill(victim)
            killed = True
    assert killed


def back(web: Server, name: str) -> None:
    until(lambda: web.launch.child(name).status == "ready", BACK_S)


def message_of(web: Server, listener: Listener) -> Message:
    """As stored; the only one of its conversation."""
    (conversation,) = web.found(str(listener.body["query"])[:100])
    (message,) = web.messages(conversation.id)
    assert message.id == listener.message_id
    return message


@pytest.mark.parametrize("victim", ["openai_api", "model_worker slow", "controller"])
def test_an_answer_outlives_a_process_behind_it(web: Server, victim: str) -> None:
    query = f"{victim} {QUESTION}"
    listener = Listener(web.url, query, model="slow")
    kill_in_mid_answer(web, listener, victim)
    assert listener.code == "done"
    stored = message_of(web, listener)
    assert (listener.text, stored.response, stored.status) == (query, query, "complete")
    reasons = {said["reason"] for said in listener.queue}
    assert reasons == (set() if victim == "controller" else {"recovering"})
    back(web, victim)


def long_answer(web: Server) -> dict[str, Any]:
    """Settings with which the real model goes on for a while."""
    for seed in range(40):
        settings: dict[str, Any] = {"model": "shortline-mini", "seed": seed, "temperature": 1.5}
        whole = Listener(web.url, f"seed {seed}", max_tokens=200, **settings).whole()
        assert whole.end is not None
        if whole.end.data["usage"]["completion_tokens"] >= 60:
            return settings
    raise AssertionError("no seed makes a long answer")


def test_a_real_model_that_was_killed_goes_on_as_if_nothing_had_been(web: Server) -> None:
    settings = long_answer(web)
    query = f"seed {settings['seed']}"
    undisturbed = Listener(web.url, query, max_tokens=200, **settings).whole()
    worker = "model_worker shortline-mini"
    disturbed = Listener(web.url, query, max_tokens=200, **settings)
    for frame in disturbed.frames():
        if frame.name == "" and not disturbed.queue:
            web.launch.kill(worker, signal.SIGSTOP)
            web.launch.kill(worker, signal.SIGKILL)
            break
    disturbed.whole()
    assert (disturbed.text, disturbed.code) == (undisturbed.text, "done")
    back(web, worker)


def test_an_app_server_that_was_killed_keeps_what_it_had_said(web: Server) -> None:
    query = f"app {QUESTION}"
    listener = Listener(web.url, query, model="slow")
    had = ""
    for _ in listener.frames():
        if len(listener.text) > 200 and not had:
            had = listener.text
            web.launch.kill("api")
    assert listener.whole().code == "server_restarted"

    kept = message_of(web, listener)
    assert (kept.query, kept.status) == (query, "interrupted")
    assert kept.error is not None
    assert kept.error.code == "server_restarted"
    assert query.startswith(kept.response)
    assert len(kept.response) > 40
    assert kept.response.startswith(listener.text[: len(kept.response)])

    rest = Listener(web.url, message_id=kept.id)
    rest.text = kept.response[:5]
    assert rest.whole().code == "server_restarted"
    assert rest.text == kept.response

    again = Listener(
        web.url, query, conversation_id=kept.conversation_id, parent_id=kept.parent_id or ""
    ).whole()
    assert (again.text, again.code) == (query, "done")
    retried = web.last(kept.conversation_id)
    assert retried.siblings == (kept.id, again.message_id)
    assert retried.response == query

    same = Listener(web.url, query, model="slow")
    same.key = listener.key
    assert same.whole().message_id == kept.id
    assert same.text == kept.response
    tree = web.get(f"/api/conversations/{kept.conversation_id}/export?format=json").json()
    assert len(tree["messages"]) == 2


def worker_stats(web: Server) -> dict[str, int]:
    url = f"{web.launch.child('model_worker slow').address}/worker/stats"
    stats: dict[str, int] = httpx.get(url, headers={SECRET_HEADER: SECRET}, trust_env=False).json()
    return stats


def is_cancelled(web: Server, before: dict[str, int]) -> bool:
    now = worker_stats(web)
    late = now["tokens_after_cancel"] - before["tokens_after_cancel"]
    return now["cancelled"] == before["cancelled"] + 1 and now["running"] == 0 and late <= 1


def test_the_model_stops_when_its_reader_has_gone_for_good(web: Server) -> None:
    before = worker_stats(web)
    listener = Listener(web.url, f"gone {sentence(LONG)}", model="slow").chars(40)
    until(lambda: is_cancelled(web, before), GRACE_S + 3)
    until(lambda: message_of(web, listener).status != "running", 3)
    kept = message_of(web, listener)
    assert kept.status == "interrupted"
    assert kept.error is not None
    assert kept.error.code == "abandoned"
    assert kept.response.startswith(listener.text)
    assert listener.whole().text == kept.response
    assert listener.code == "abandoned"


def test_a_stop_reaches_the_model_within_a_step(web: Server) -> None:
    before = worker_stats(web)
    listener = Listener(web.url, f"stop {sentence(LONG)}", model="slow")
    url = ""
    for _ in listener.frames():
        if len(listener.text) > 40 and not url:
            url = f"{web.url}/api/chat/{listener.message_id}/stop"
            stopped = Message.model_validate(httpx.post(url, trust_env=False).json())
            until(lambda: is_cancelled(web, before), 1)
    assert listener.end is not None
    assert listener.end.data["finish_reason"] == "stopped"
    assert (stopped.status, stopped.response) == ("stopped", listener.text)
    assert message_of(web, listener).response == listener.text


def in_database(home: Path) -> list[tuple[str, str, str | None]]:
    """Response, status and error of every message, with nobody running."""
    with closing(sqlite3.connect(home / "data/shortline.db")) as database:
        return database.execute("SELECT response, status, error FROM messages").fetchall()


def left_behind(home: Path) -> set[str]:
    files = {str(path.relative_to(home)) for path in home.rglob("*") if path.is_file()}
    return {file for file in files if not file.startswith(("configs", "data/logs"))}


@pytest.mark.parametrize("by", ["command", "signal"])
def test_stopping_ends_a_running_answer_properly(tmp_path: Path, by: str) -> None:
    home = tmp_path / "home"
    with served(home, [SLOW], SHORTLINE_LAUNCHER__DRAIN_S="1") as web:
        processes = web.launch.children()
        listener = Listener(web.url, sentence(LONG), model="slow")
        stopping = False
        for _ in listener.frames():
            if len(listener.text) > 40 and not stopping:
                stopping = True
                if by == "command":
                    assert command(home, "stop").returncode == 0
                else:
                    web.launch.process.send_signal(signal.SIGTERM)
        assert web.launch.wait(20) == 0
    assert not any(map(is_alive, processes))
    assert left_behind(home) == {"data/ledger.db", "data/run/lock", "data/shortline.db"}
    assert listener.code == "server_stopped"
    ((response, status, error),) = in_database(home)
    assert (response, status) == (listener.text, "interrupted")
    assert error is not None
    assert "server_stopped" in error


def test_stopping_lets_a_short_answer_end(tmp_path: Path) -> None:
    home, query = tmp_path / "home", sentence(60)
    with served(home, [SLOW]) as web:
        listener = Listener(web.url, query, model="slow").chars(10)
        web.launch.process.send_signal(signal.SIGTERM)
        listener.listen()
        assert web.launch.wait(20) == 0
    assert in_database(home) == [(listener.text, "complete", None)]


async def test_conversations_in_postgresql_outlive_a_restart(tmp_path: Path) -> None:
    async with postgres_database() as database:
        for turn in ("first", "second"):
            with served(tmp_path / turn, [SLOW], SHORTLINE_API__DATABASE=database) as web:
                if turn == "first":
                    conversation = web.ask("kept in PostgreSQL", model="slow")
                message = web.last(conversation)
                assert (message.response, message.status) == ("kept in PostgreSQL", "complete")
                assert [c.id for c in web.found("postgresql")] == [conversation]
                assert not (tmp_path / turn / "data/shortline.db").exists()
