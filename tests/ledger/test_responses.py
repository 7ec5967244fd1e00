"""What is kept of `/v1/responses`: whose it is, for how long, and how much of it."""

from __future__ import annotations

import stat
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from server.core.errors import Internal, NotFound, TooLarge, Unavailable
from server.ledger import responses
from server.ledger.responses import KEEP_S, LOST_S, Answers, Kept

NOW = 1_700_000_000.0
ONE = Kept("resp_1", "key-a", None, NOW, "", NOW, b"[]", b"{}")


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return tmp_path / "responses.db"


@pytest.fixture(params=["file", "memory"])
def answers(request: pytest.FixtureRequest, file: Path) -> Iterator[Answers]:
    found = Answers.open(file if request.param == "file" else None)
    yield found
    found.close()


def ids(answers: Answers, *of: str, owner: str = "key-a", now: float = NOW) -> list[str]:
    return [id for id in of if answers.find(owner, id, now) is not None]


def test_a_response_is_its_owners_alone(answers: Answers) -> None:
    answers.put(ONE)
    assert answers.find("key-a", "resp_1", NOW) == ONE
    assert answers.find("key-b", "resp_1", NOW) is None
    assert answers.find("", "resp_1", NOW) is None
    assert not answers.delete("key-b", "resp_1")
    assert answers.delete("key-a", "resp_1")
    assert not answers.delete("key-a", "resp_1")
    assert ids(answers, "resp_1") == []


def test_two_processes_have_one_file_that_only_its_owner_may_read(file: Path) -> None:
    one, two = Answers.open(file), Answers.open(file)
    one.put(ONE)
    assert two.find("key-a", "resp_1", NOW) == ONE
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    one.close()
    two.close()


def test_the_oldest_make_room(answers: Answers) -> None:
    answers._most = 2
    for number in range(4):
        answers.put(replace(ONE, id=f"resp_{number}", created=NOW + number))
    answers.put(replace(ONE, id="resp_of_another", owner="key-b", created=NOW))
    assert ids(answers, *(f"resp_{n}" for n in range(4))) == ["resp_2", "resp_3"]
    assert ids(answers, "resp_of_another", owner="key-b") == ["resp_of_another"]


def test_large_ones_make_room_too_and_the_newest_always_stays(answers: Answers) -> None:
    answers._most_bytes = 100
    for number in range(3):
        kept = replace(ONE, id=f"resp_{number}", created=NOW + number, document=b"x" * 40)
        answers.put(kept)
    assert ids(answers, "resp_0", "resp_1", "resp_2") == ["resp_1", "resp_2"]
    answers.put(replace(ONE, id="resp_9", created=NOW + 9, document=b"x" * 200))
    assert ids(answers, "resp_1", "resp_2", "resp_9") == ["resp_9"]


def test_an_end_counts_for_how_much_there_is(answers: Answers) -> None:
    answers._most_bytes = 100
    answers.put(replace(ONE, holder="run-1"))
    answers.finish("resp_1", b"x" * 90)
    answers.put(replace(ONE, id="resp_2", created=NOW + 1, document=b"x" * 40))
    assert ids(answers, "resp_1", "resp_2") == ["resp_2"]


def test_what_is_being_made_makes_no_room(answers: Answers) -> None:
    answers._most = 1
    answers.put(replace(ONE, holder="run-1"))
    answers.put(replace(ONE, id="resp_2", created=NOW + 1))
    assert ids(answers, "resp_1", "resp_2") == ["resp_1", "resp_2"]


def test_what_is_too_old_is_not_there_and_is_swept_away(answers: Answers) -> None:
    answers.put(ONE)
    later = NOW + KEEP_S + 1
    assert ids(answers, "resp_1", now=later - 2) == ["resp_1"]
    assert ids(answers, "resp_1", now=later) == []
    answers.put(replace(ONE, id="resp_2", owner="key-b", created=later))
    assert ids(answers, "resp_1", now=NOW) == []
    [counted] = answers._db.execute("SELECT id, responses FROM owners")
    assert counted == ("key-b", 1)


def test_the_first_end_counts(answers: Answers) -> None:
    answers.put(replace(ONE, holder="run-1"))
    assert answers.finish("resp_1", b"first")
    assert not answers.finish("resp_1", b"second")
    kept = answers.find("key-a", "resp_1", NOW)
    assert kept is not None
    assert (kept.document, kept.holder) == (b"first", "")
    assert not answers.finish("resp_0", b"nowhere")


def test_who_says_nothing_for_long_is_dead(answers: Answers) -> None:
    answers.put(replace(ONE, holder="run-1"))
    answers.put(replace(ONE, id="resp_2"))

    def lost(id: str, now: float) -> bool:
        kept = answers.find("key-a", id, now)
        assert kept is not None
        return kept.is_lost(now)

    assert not lost("resp_1", NOW + LOST_S)
    assert lost("resp_1", NOW + LOST_S + 1)
    assert not lost("resp_2", NOW + LOST_S + 1)
    assert answers.beat("run-1", ["resp_1"], NOW + LOST_S) == {"resp_1"}
    assert not lost("resp_1", NOW + LOST_S + 1)


def test_a_process_hears_what_others_ended_for_it(answers: Answers) -> None:
    for number in range(3):
        answers.put(replace(ONE, id=f"resp_{number}", holder="run-1"))
    answers.finish("resp_1", b"cancelled")
    answers.delete("key-a", "resp_2")
    mine = ["resp_0", "resp_1", "resp_2"]
    assert answers.beat("run-1", mine, NOW) == {"resp_0"}
    assert answers.beat("run-2", mine, NOW) == set()


def test_a_conversation_goes_back_to_its_beginning(
    answers: Answers, monkeypatch: pytest.MonkeyPatch
) -> None:
    answers.put(ONE)
    answers.put(replace(ONE, id="resp_2", previous="resp_1"))
    answers.put(replace(ONE, id="resp_3", previous="resp_2", document=b"x" * 50))
    found = [kept.id for kept in answers.chain("key-a", "resp_3", NOW, 1000)]
    assert found == ["resp_1", "resp_2", "resp_3"]
    with pytest.raises(TooLarge):
        answers.chain("key-a", "resp_3", NOW, 50)
    with pytest.raises(NotFound, match="resp_3"):
        answers.chain("key-b", "resp_3", NOW, 1000)
    monkeypatch.setattr(responses, "MAX_CHAIN", 2)
    with pytest.raises(TooLarge):
        answers.chain("key-a", "resp_3", NOW, 1000)
    answers.delete("key-a", "resp_1")
    with pytest.raises(NotFound, match="resp_1"):
        answers.chain("key-a", "resp_2", NOW, 1000)


def test_what_the_file_does_is_said_in_our_words(file: Path, tmp_path: Path) -> None:
    file.write_bytes(b"no database at all, and long enough to look like one" * 20)
    with pytest.raises(Internal, match=r"The file responses.db .* is damaged"):
        Answers.open(file)
    with pytest.raises(Unavailable, match=r"The file responses.db .* cannot be reached"):
        Answers.open(tmp_path / "nowhere/responses.db")
