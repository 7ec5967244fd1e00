"""What was said before, and how much of it there may be."""

from __future__ import annotations

from collections.abc import Iterator

import orjson
import pytest

from server.core.errors import BadRequest, TooLarge
from server.gateway.dialects.responses import history
from server.gateway.dialects.responses.history import items_before, resolved
from server.gateway.dialects.values import Json
from server.ledger.responses import LOST_S, Answers, Kept

NOW = 1_700_000_000.0
OF = "0" * 32


def item(id: str, text: str = "x") -> Json:
    content = [{"type": "input_text", "text": text}]
    return {"id": id, "type": "message", "role": "user", "status": "completed", "content": content}


def reference(id: str) -> Json:
    return {"id": id, "type": "item_reference"}


@pytest.fixture
def answers() -> Iterator[Answers]:
    found = Answers.open(None)
    document = {"output": [item(f"msg_{OF}_0", "said")]}
    items = [item(f"msg_{OF}_i0", "asked")]
    written = orjson.dumps(items), orjson.dumps(document)
    found.put(Kept(f"resp_{OF}", "key-a", None, NOW, "", NOW, *written))
    yield found
    found.close()


def test_references_stand_for_what_was_said_here(answers: Answers) -> None:
    mine = item("msg_mine")
    given = [reference(f"msg_{OF}_0"), mine, reference(f"msg_{OF}_i0")]
    found = resolved(answers, "key-a", given, NOW)
    assert [one["id"] for one in found] == [f"msg_{OF}_0", "msg_mine", f"msg_{OF}_i0"]


@pytest.mark.parametrize("id", [f"msg_{OF}_7", "msg_1", f"msg_{'1' * 32}_0", "x" * 200])
def test_what_was_not_said_here_cannot_be_referred_to(answers: Answers, id: str) -> None:
    with pytest.raises(BadRequest, match="not found"):
        resolved(answers, "key-a", [reference(id)], NOW)


def test_nobody_refers_to_what_another_key_said(answers: Answers) -> None:
    with pytest.raises(BadRequest, match="not found"):
        resolved(answers, "key-b", [reference(f"msg_{OF}_0")], NOW)


def test_short_references_do_not_grow_without_bound(
    answers: Answers, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(history, "MAX_CHAT_BYTES", 5_000)
    with pytest.raises(TooLarge):
        resolved(answers, "key-a", [reference(f"msg_{OF}_0")] * 100, NOW)


def test_nothing_follows_what_is_still_being_made(answers: Answers) -> None:
    answers.put(Kept("resp_2", "key-a", None, NOW, "run-1", NOW, b"[]", b'{"output": []}'))
    with pytest.raises(BadRequest, match="not done yet"):
        items_before(answers, "key-a", "resp_2", NOW)
    assert items_before(answers, "key-a", "resp_2", NOW + LOST_S + 1) == []
