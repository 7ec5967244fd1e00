from __future__ import annotations

from types import ModuleType

import pytest
from pydantic import BaseModel

from server.wire import browser
from server.wire.typescript import FILE, write_types


def test_the_browsers_types_are_those_of_the_server() -> None:
    assert FILE.read_text("utf-8") == write_types(browser), "python -m server.wire.typescript"


def test_what_is_sent_may_be_left_out_and_what_is_received_is_whole() -> None:
    text = write_types(browser)
    assert "  conversation_id?: string | null\n" in text
    assert "  usage: Usage | null\n" in text


def test_a_name_for_words_is_kept() -> None:
    text = write_types(browser)
    assert "export type MessageStatus = 'running' | " in text
    assert "  status: MessageStatus\n" in text


def test_what_is_inherited_is_not_repeated() -> None:
    text = write_types(browser)
    inside = text.split("export interface Answer extends DoneFrame {")[1].split("}")[0]
    assert inside.split() == ["text:", "string"]


def test_a_type_without_a_word_for_it_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    class Odd(BaseModel):
        when: bytes

    module = ModuleType("odd")
    vars(module)["Odd"] = Odd
    monkeypatch.setattr("inspect.getsource", lambda _module: "")
    with pytest.raises(TypeError, match="bytes"):
        write_types(module)
