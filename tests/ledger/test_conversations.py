"""Conversations: their items, whose they are, and how much of them there may be."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from server.core.errors import BadRequest, TooLarge
from server.ledger import conversations, items
from server.ledger.items import Addition
from server.ledger.responses import KEEP_S, Answers, Kept

NOW = 1_700_000_000.0
MINE = Kept("conv_1", "key-a", None, NOW, "", NOW, b"", b"{}", "conversation", metadata="{}")


def adds(*names: str, to: str = "conv_1", owner: str = "key-a", now: float = NOW) -> Addition:
    return Addition(to, owner, now, [(name, name.encode()) for name in names])


@pytest.fixture
def answers() -> Iterator[Answers]:
    found = Answers.open(None)
    found.put(MINE, adds("a", "b"))
    yield found
    found.close()


def said(answers: Answers, owner: str = "key-a", now: float = NOW) -> bytes | None:
    found = conversations.all_items(answers, owner, "conv_1", now)
    return None if found is None else b"".join(found)


def owned(answers: Answers) -> list[tuple[int, int]]:
    return list(answers._db.execute("SELECT responses, bytes FROM owners ORDER BY id"))


def test_items_stand_in_the_order_in_which_they_came(answers: Answers) -> None:
    assert conversations.add_items(answers, adds("c"))
    answers.put(adds("d", "e"))
    assert said(answers) == b"abcde"


def test_a_conversation_is_its_owners_alone(answers: Answers) -> None:
    assert said(answers, "key-b") is None
    assert not conversations.add_items(answers, adds("x", owner="key-b"))
    answers.put(adds("x", owner="key-b"))
    assert said(answers) == b"ab"
    assert conversations.item_of(answers, "key-a", "a", NOW) == b"a"
    assert conversations.item_of(answers, "key-b", "a", NOW) is None


def test_a_page_begins_behind_an_item(answers: Answers) -> None:
    conversations.add_items(answers, adds(*"cde"))

    def page(after: str | None, limit: int, *, newest_first: bool) -> bytes | None:
        found = conversations.some_items(answers, "conv_1", after, limit, newest_first=newest_first)
        return None if found is None else b"".join(found)

    assert page(None, 2, newest_first=False) == b"ab"
    assert page(None, 2, newest_first=True) == b"ed"
    assert page("b", 9, newest_first=False) == b"cde"
    assert page("b", 9, newest_first=True) == b"a"
    assert page("x", 9, newest_first=True) is None


def test_an_item_is_not_there_twice(answers: Answers) -> None:
    with pytest.raises(BadRequest, match="already"):
        conversations.add_items(answers, adds("c", "a"))
    assert said(answers) == b"ab"  # all or none
    answers.put(adds("c", "a"))  # two responses may end at once that were asked the same
    assert said(answers) == b"abc"


def test_it_lives_from_its_last_addition(answers: Answers) -> None:
    answers.put(adds("c", now=NOW + 100))
    answers.put(adds("d", now=NOW + 50))
    assert said(answers, now=NOW + 100 + KEEP_S) == b"abcd"
    assert said(answers, now=NOW + 101 + KEEP_S) is None


def test_items_count_for_how_much_their_owner_has_and_go_with_their_conversation(
    answers: Answers,
) -> None:
    assert owned(answers) == [(1, 2 + 2 + 2)]
    assert conversations.drop_item(answers, "conv_1", "a")
    assert not conversations.drop_item(answers, "conv_1", "a")
    assert owned(answers) == [(1, 2 + 2 + 1)]
    assert answers.delete("key-a", "conv_1", "conversation")
    assert owned(answers) == []
    assert list(answers._db.execute("SELECT * FROM items")) == []
    answers.put(adds("x"))  # it ended after its conversation was deleted
    assert list(answers._db.execute("SELECT * FROM items")) == []


def test_the_oldest_make_room_and_who_is_spoken_to_stays(answers: Answers) -> None:
    answers._most_bytes = 100
    old = Kept("resp_1", "key-a", None, NOW + 1, "", NOW, b"", b"x" * 50)
    answers.put(old, replace(MINE, id="conv_2", created=NOW + 2))
    answers.put(Addition("conv_1", "key-a", NOW + 3, [("large", b"x" * 90)]))
    assert answers.find("key-a", "resp_1", NOW) is None
    assert answers.find("key-a", "conv_1", NOW, "conversation") is not None


def test_a_conversation_has_an_end(answers: Answers, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(items, "MAX_ITEMS", 3)
    with pytest.raises(TooLarge):
        conversations.add_items(answers, adds("c", "d"))
    answers.put(adds("c", "d"))  # an answer is not lost over it,
    with pytest.raises(TooLarge):  # but nothing more is asked
        said(answers)
    conversations.drop_item(answers, "conv_1", "a")
    assert said(answers) == b"bcd"
    monkeypatch.setattr(items, "MAX_BYTES", 2)
    with pytest.raises(TooLarge):
        said(answers)


def test_a_response_and_its_items_are_stored_together_or_not_at_all(answers: Answers) -> None:
    running = Kept("resp_1", "key-a", None, NOW, "run-1", NOW, b"[]", b"{}")
    answers.put(running)
    assert answers.finish("resp_1", b"{}", adds("c"))
    assert not answers.finish("resp_1", b"{}", adds("d"))
    assert said(answers) == b"abc"


def test_two_processes_add_to_one_conversation(tmp_path: Path) -> None:
    one, two = (Answers.open(tmp_path / "responses.db") for _ in range(2))
    one.put(MINE)
    for number in range(10):
        (one, two)[number % 2].put(adds(str(number)))
    assert said(one) == said(two) == b"0123456789"
    one.close()
    two.close()
