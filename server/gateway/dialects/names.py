"""Mistakes in a request, told by the names that its fields have in its own API.

Workers know chats only, so what they refuse is a field of the chat that was made of it. Each
dialect has a table of its names (`names.py`) and says which of its parts a message was made of.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from typing import Any, Final

import orjson

from server.core.errors import RequestError

Place = Callable[[int, str], str]
"""Of a message of the chat, by its number and what follows it in a path (`.content[0]`)."""

_INDEXED: Final = re.compile(r"(messages|tools)\[(\d{1,6})\]((?:\.\w+|\[\d+\])*)")
_NAME: Final = re.compile(
    r"\b(?:messages|tools)\[\d{1,6}\](?:\.\w+|\[\d+\])*|\b[a-z]+(?:_[a-z]+)+(?:\.\w+|\[\d+\])*"
)
"""What can be nothing but a field's name. `stop` is a word, too."""


class Names:
    """`table`: other names of fields; of two that fit, the first is meant. `message` and `tool`:
    of what is numbered."""

    def __init__(self, table: Mapping[str, str], message: Place, tool: Place) -> None:
        self._table = table
        self._numbered = {"messages": message, "tools": tool}

    def own(self, name: str) -> str:
        """What a field of the chat is called in the request."""
        if indexed := _INDEXED.fullmatch(name):
            return self._numbered[indexed[1]](int(indexed[2]), indexed[3])
        for field, own in self._table.items():
            if name == field or name.startswith((f"{field}.", f"{field}[")):
                return own + name.removeprefix(field)
        return name

    def reworded(self, error: Mapping[str, Any]) -> dict[str, Any]:
        """What stands under `error` in OpenAI's envelope; it may lack anything."""
        told = dict(error)
        message, param = told.get("message"), told.get("param")
        if isinstance(message, str):
            told["message"] = self._in_words(message, param)
        if isinstance(param, str):
            told["param"] = self.own(param)
        return told

    def reworded_body(self, body: bytes) -> bytes:
        """Of an answer with an error's status; one that is no envelope stays as it is."""
        try:
            envelope = orjson.loads(body)
            error = envelope["error"]
        except (orjson.JSONDecodeError, KeyError, TypeError):
            return body
        if not isinstance(error, dict):
            return body
        return orjson.dumps({**envelope, "error": self.reworded(error)})

    def reword(self, error: RequestError) -> None:
        error.message = self._in_words(error.message, error.param)
        if error.param is not None:
            error.param = self.own(error.param)

    def _in_words(self, message: str, param: object) -> str:
        if isinstance(param, str) and param in self._table:
            word = re.escape(param)
            behind = rf"(?<=\b(?:the|our) ){word}\b|(?<=\bcharacters of ){word}\b"
            message = re.sub(rf"(?<='){word}(?=')|{behind}", self._table[param], message)
        return _NAME.sub(lambda found: self.own(found[0]), message)


AS_THEY_ARE: Final = Names(
    {}, lambda at, rest: f"messages[{at}]{rest}", lambda at, rest: f"tools[{at}]{rest}"
)
