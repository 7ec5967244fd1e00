from __future__ import annotations

import pytest

from server.worker.asked import Chat, Turn
from server.worker.calls import Call, Function
from server.worker.plain_calls import in_plain_text

F = Function("f", "Does it.", {"type": "object"})
CALL = '<tool_call>\n{"name": "f", "arguments": {"a": 1}}\n</tool_call>'


def test_calls_and_results_become_text() -> None:
    chat = Chat(
        (
            Turn("user", "Do it."),
            Turn("assistant", "", calls=(Call("1", "f", '{"a": 1}'),)),
            Turn("tool", "7", call_id="1"),
        )
    )
    assert in_plain_text(chat).turns == (
        Turn("user", "Do it."),
        Turn("assistant", CALL),
        Turn("user", "<tool_response>\n7\n</tool_response>"),
    )


def test_results_of_one_turn_are_one_message() -> None:
    """Templates want the user's and the model's turns to take turns."""
    calls = tuple(Call(id, "f", "{}") for id in "12")
    results = (Turn("tool", "7", call_id="1"), Turn("tool", "8", call_id="2"))
    *_, last = in_plain_text(Chat((Turn("assistant", "x", calls=calls), *results))).turns
    between = "\n</tool_response>\n<tool_response>\n"
    assert last == Turn("user", f"<tool_response>\n7{between}8\n</tool_response>")


@pytest.mark.parametrize(
    ("roles", "told"),
    [
        (("user", "system"), "system"),
        (("developer", "user"), "developer"),
        (("assistant", "user"), "user"),
        (("assistant",), "system"),
    ],
)
def test_functions_are_told_where_the_model_looks(roles: tuple[str, ...], told: str) -> None:
    turns = tuple(Turn(role, f"I am {role}.") for role in roles)
    plain = in_plain_text(Chat(turns, (F,)))
    assert plain.functions == ()
    [turn] = [turn for turn in plain.turns if '"name": "f"' in turn.text]
    assert turn.role == told
    assert "<tool_call>" in turn.text and "Does it." in turn.text
    assert (told == "system" and told not in roles) or f"I am {told}." in turn.text


def test_a_conversation_without_any_is_left_as_it_is() -> None:
    chat = Chat((Turn("system", "s"), Turn("user", "u", name="n")))
    assert in_plain_text(chat) == chat
