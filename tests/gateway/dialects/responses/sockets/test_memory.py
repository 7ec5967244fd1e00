from __future__ import annotations

from typing import Any

import pytest

from server.gateway.dialects.responses.sockets import memory as module
from server.gateway.dialects.responses.sockets.memory import Memory, Recollection

ITEMS: list[dict[str, Any]] = [{"role": "user"}]
SIZE = len(b'[{"role":"user"}]')


def test_each_lane_remembers_its_last_response() -> None:
    memory = Memory()
    mine, other = Recollection(memory), Recollection(memory)
    mine.put("", "one", ITEMS)
    mine.put("side", "two", ITEMS)
    assert (mine.find("one"), mine.find("two"), other.find("one")) == (ITEMS, ITEMS, None)
    mine.put("", "three", ITEMS)
    assert (mine.find("one"), mine.find("three"), mine.find(None)) == (None, ITEMS, None)
    assert memory.size == 2 * SIZE
    mine.forget("side", "three")
    assert mine.find("two") == ITEMS
    mine.forget("side", "two")
    mine.forget("never there")
    assert mine.find("two") is None
    mine.clear()
    assert memory.size == 0


def test_all_together_remember_so_much_and_the_oldest_is_forgotten() -> None:
    memory = Memory(2 * SIZE)
    one, two = Recollection(memory), Recollection(memory)
    one.put("", "a", ITEMS)
    two.put("", "b", ITEMS)
    two.put("side", "c", ITEMS)
    assert (one.find("a"), two.find("b"), two.find("c")) == (None, ITEMS, ITEMS)
    one.clear()
    assert memory.size == 2 * SIZE


def test_what_nobody_could_go_on_from_is_not_remembered(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "MAX_CHAT_BYTES", SIZE - 1)
    mine = Recollection(Memory())
    mine.put("", "a", ITEMS)
    assert mine.find("a") is None
