"""Conversations as chat templates take them: lists of messages and of tools."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any

from server.worker import plain_calls
from server.worker.asked import Chat, Turn
from server.worker.calls import Function

Messages = list[dict[str, Any]]
Tools = list[dict[str, Any]] | None
Write = Callable[[Chat], tuple[Messages, Tools]]

_ROLES = {"developer": "system", "function": "tool"}
"""OpenAI's roles that templates know by another name."""


def with_objects(chat: Chat) -> tuple[Messages, Tools]:
    """Arguments of calls as objects: what most templates take."""
    return _written(chat, _as_object)


def with_texts(chat: Chat) -> tuple[Messages, Tools]:
    """Arguments of calls as text."""
    return _written(chat, str)


def in_plain_text(chat: Chat) -> tuple[Messages, Tools]:
    """For templates that know nothing of calls."""
    return with_texts(plain_calls.in_plain_text(chat))


def has_calls(chat: Chat) -> bool:
    return bool(chat.functions) or any(turn.calls or turn.call_id for turn in chat.turns)


def each_text(chat: Chat, change: Callable[[str], str]) -> Chat:
    """`chat` with every text in it, that somebody wrote, changed."""
    turns = (
        replace(
            turn,
            text=change(turn.text),
            thought=change(turn.thought),
            name=None if turn.name is None else change(turn.name),
            calls=tuple(
                replace(call, name=change(call.name), arguments=change(call.arguments))
                for call in turn.calls
            ),
        )
        for turn in chat.turns
    )
    functions = (
        replace(
            function,
            description=change(function.description),
            parameters=_each_text(function.parameters, change),
        )
        for function in chat.functions
    )
    return Chat(tuple(turns), tuple(functions), _each_text(chat.variables, change))


def _each_text(found: Any, change: Callable[[str], str]) -> Any:
    match found:
        case str():
            return change(found)
        case Mapping():
            return {change(name): _each_text(value, change) for name, value in found.items()}
        case list() | tuple():
            return [_each_text(value, change) for value in found]
    return found


def _written(chat: Chat, arguments: Callable[[str], Any]) -> tuple[Messages, Tools]:
    numbers = _numbers(chat)
    messages = [_message(turn, numbers, arguments) for turn in chat.turns]
    return messages, [_tool(function) for function in chat.functions] or None


def _numbers(chat: Chat) -> dict[str, tuple[str, str]]:
    """For the id of each call a short one, as some templates want it, and its function's name."""
    calls = (call for turn in chat.turns for call in turn.calls)
    return {call.id: (f"{number:09}", call.name) for number, call in enumerate(calls)}


def _message(
    turn: Turn, numbers: Mapping[str, tuple[str, str]], arguments: Callable[[str], Any]
) -> dict[str, Any]:
    message: dict[str, Any] = {"role": _ROLES.get(turn.role, turn.role), "content": turn.text}
    if turn.name is not None:
        message["name"] = turn.name
    if turn.thought:
        message["reasoning_content"] = turn.thought
    if turn.calls:
        message["tool_calls"] = [
            {
                "id": numbers[call.id][0],
                "type": "function",
                "function": {"name": call.name, "arguments": arguments(call.arguments)},
            }
            for call in turn.calls
        ]
    if turn.call_id is not None:
        number, name = numbers.get(turn.call_id, (turn.call_id, ""))
        message |= {"tool_call_id": number, "name": turn.name or name}
    return message


def _tool(function: Function) -> dict[str, Any]:
    described = {
        "name": function.name,
        "description": function.description,
        "parameters": function.parameters,
    }
    return {"type": "function", "function": described}


def _as_object(arguments: str) -> Any:
    """As it is, where it is none: a model may have broken off."""
    try:
        found = json.loads(arguments)
    except (ValueError, RecursionError):
        return arguments
    return found if isinstance(found, dict) else arguments
