"""Functions for a model whose template knows nothing of them: told and called in plain text."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import replace
from typing import Final

from server.worker.asked import Chat, Turn
from server.worker.call_style import PLAIN
from server.worker.calls import Call, Function

_EXPLAINED: Final = """\
You may call functions. Each line of JSON describes one:
{functions}

To call one, write this and nothing behind it, with its name and its arguments:
{call}
What it returns comes back between <tool_response> and </tool_response>."""
_EXAMPLE: Final = (Call("", "NAME", "{...}"),)


def in_plain_text(chat: Chat) -> Chat:
    """The same conversation without functions, calls and results, which became text."""
    turns: list[Turn] = []
    for turn in chat.turns:
        plain = _plain(turn)
        last = turns[-1] if turns else None
        if turn.call_id is not None and last is not None and last.call_id is not None:
            turns[-1] = replace(last, text=f"{last.text}\n{plain.text}")
        else:
            turns.append(plain)
    if chat.functions:
        turns = _explained(turns, chat.functions)
    turns = [replace(turn, call_id=None) for turn in turns]
    return Chat(tuple(turns), variables=chat.variables)


def _plain(turn: Turn) -> Turn:
    if turn.calls:
        parts = [turn.text, _written(turn.calls)]
        return replace(turn, text="\n".join(filter(None, parts)), calls=())
    if turn.call_id is not None:
        result = f"<tool_response>\n{turn.text}\n</tool_response>"
        return Turn("user", result, call_id=turn.call_id)
    return turn


def _explained(turns: Sequence[Turn], functions: Sequence[Function]) -> list[Turn]:
    """In the system's turn; without one in the user's first, for not every model has systems."""
    lines = "\n".join(json.dumps(_described(one), ensure_ascii=False) for one in functions)
    text = _EXPLAINED.format(functions=lines, call=_written(_EXAMPLE))
    roles = [turn.role for turn in turns]
    for role in ("system", "developer", "user"):
        if role in roles:
            at = roles.index(role)
            both = (turns[at].text, text) if role != "user" else (text, turns[at].text)
            told = replace(turns[at], text="\n\n".join(filter(None, both)))
            return [*turns[:at], told, *turns[at + 1 :]]
    return [Turn("system", text), *turns]


def _described(function: Function) -> dict[str, object]:
    description = {"description": function.description} if function.description else {}
    return {"name": function.name, **description, "parameters": function.parameters}


def _written(calls: Sequence[Call]) -> str:
    between = PLAIN.between or ""
    middle = between.join(f"{call.name}{PLAIN.middle}{call.arguments}" for call in calls)
    return f"{PLAIN.begin}{middle}{PLAIN.end}"
