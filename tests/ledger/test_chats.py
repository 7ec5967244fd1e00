"""Chats that are kept: which are listed, and in which order."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

import pytest

from server.ledger.chats import Wanted
from server.ledger.responses import KEEP_S, Answers, Kept

NOW = 1_700_000_000.0
ONE = Kept("chatcmpl-0", "key-a", None, NOW, "", NOW, b"[]", b"{}", "chat", "m", "{}")


@pytest.fixture
def answers() -> Iterator[Answers]:
    found = Answers.open(None)
    for number in range(4):
        metadata = f'{{"even": "{number % 2 == 0}"}}'
        at = NOW + number // 2  # two in one moment
        found.put(replace(ONE, id=f"chatcmpl-{number}", created=at, metadata=metadata))
    found.put(replace(ONE, id="chatcmpl-b", owner="key-b", model="n"))
    found.put(Kept("resp_1", "key-a", None, NOW, "", NOW, b"[]", b"{}"))
    yield found
    found.close()


def ids(answers: Answers, wanted: Wanted, now: float = NOW) -> str | None:
    """Their last letters."""
    found = answers.chats("key-a", wanted, now)
    return None if found is None else "".join(kept.id[-1] for kept in found)


def test_chats_are_listed_in_the_order_in_which_they_came(answers: Answers) -> None:
    assert ids(answers, Wanted()) == "0123"
    assert ids(answers, Wanted(newest_first=True)) == "3210"
    assert ids(answers, Wanted(limit=2)) == "01"
    for at, rest in enumerate(("123", "23", "3", "")):
        assert ids(answers, Wanted(after=f"chatcmpl-{at}")) == rest
        before = Wanted(after=f"chatcmpl-{at}", newest_first=True)
        assert ids(answers, before) == "210"[3 - at :]


def test_a_list_holds_no_input_which_may_be_long(answers: Answers) -> None:
    found = answers.chats("key-a", Wanted(), NOW)
    assert found is not None
    assert {kept.input for kept in found} == {b""}
    assert [kept.metadata for kept in found[:2]] == ['{"even": "True"}', '{"even": "False"}']


def test_a_list_begins_behind_no_chat_of_another(answers: Answers) -> None:
    for after in ("chatcmpl-b", "chatcmpl-x", "resp_1"):
        assert ids(answers, Wanted(after=after)) is None


def test_a_list_may_want_a_model_and_metadata(answers: Answers) -> None:
    assert ids(answers, Wanted(model="n")) == ""
    assert ids(answers, Wanted(model="m", limit=1)) == "0"
    assert ids(answers, Wanted(metadata={"even": "True"})) == "02"
    assert ids(answers, Wanted(metadata={"even": "True"}, after="chatcmpl-0")) == "2"
    assert ids(answers, Wanted(metadata={"even": "True", "odd": "x"})) == ""
    assert ids(answers, Wanted(metadata={"'] OR 1=1 --": "x"})) == ""


def test_a_list_of_chats_reads_no_table_but_those_it_tells(answers: Answers) -> None:
    asked: list[str] = []
    answers._db.set_trace_callback(asked.append)
    ids(answers, Wanted(model="m", metadata={"even": "True"}))
    answers._db.set_trace_callback(None)
    plan = [row[3] for row in answers._db.execute(f"EXPLAIN QUERY PLAN {asked[0]}")]
    assert "COVERING INDEX chats" in plan[0]


def test_metadata_changes_and_is_counted(answers: Answers) -> None:
    before = answers._db.execute("SELECT bytes FROM owners WHERE id = 'key-a'").fetchone()[0]
    kept = answers.relabel("key-a", "chatcmpl-1", "chat", '{"even": "perhaps"}', NOW)
    assert kept is not None
    assert (kept.metadata, kept.created) == ('{"even": "perhaps"}', NOW)
    assert ids(answers, Wanted(metadata={"even": "perhaps"})) == "1"
    after = answers._db.execute("SELECT bytes FROM owners WHERE id = 'key-a'").fetchone()[0]
    assert after - before == len("perhaps") - len("False")
    assert answers.relabel("key-b", "chatcmpl-1", "chat", "{}", NOW) is None
    assert answers.relabel("key-a", "resp_1", "chat", "{}", NOW) is None


def test_what_is_too_old_is_not_listed(answers: Answers) -> None:
    assert ids(answers, Wanted(), NOW + KEEP_S + 0.5) == "23"


def test_a_chat_is_no_response(answers: Answers) -> None:
    assert answers.find("key-a", "chatcmpl-1", NOW) is None
    assert not answers.delete("key-a", "chatcmpl-1")
    assert answers.find("key-a", "chatcmpl-1", NOW, "chat") is not None
