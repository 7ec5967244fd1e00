"""`POST /v1/responses/compact`: a conversation in fewer tokens, to go on from.

The model itself is asked for a summary. What comes back is all that the user has said, and one item
that stands for the rest: whoever sends both as an input goes on from there.
"""

from __future__ import annotations

import base64
from collections.abc import Callable, Iterable, Sequence
from typing import Any, Final

from server.gateway.dialects.responses.document import NOTHING_USED, usage_of
from server.gateway.dialects.values import Json
from server.gateway.dialects.via import WholeTelling

COMPACTION: Final = "compaction"
MARK: Final = "sl1."
"""Our own, first version. Others' items are sealed, and nobody here could read them."""
_TASK: Final = (
    "Below is a conversation between a user and an assistant. Write a summary that the assistant "
    "can go on from without it: what the user wants, what was decided, found out and done, every "
    "name, number and result that may be needed again, and what is still open. Answer with the "
    "summary alone, in the language of the conversation."
)


def chat_for_summary(model: str, instructions: str | None, items: Sequence[Json]) -> Json:
    """The body of a chat. The conversation is its text: what was called for in it, or written
    half, belongs to no chat that goes on."""
    told = [f"instructions: {instructions}"] if instructions else []
    told += [_TOLD[item["type"]](item) for item in items]
    messages = [
        {"role": "system", "content": _TASK},
        {"role": "user", "content": "\n\n".join(line for line in told if line)},
    ]
    return {"model": model, "messages": messages}


class Compacting(WholeTelling):
    """The `Telling` of a summary, which comes whole or not at all."""

    def __init__(self, name: str, created: int, items: Iterable[Json]) -> None:
        """`name`: what ids are made of; `items`: all that was said."""
        self._name = name
        self._created = created
        self._asked = [item for item in items if item.get("role") == "user"]

    def whole(self, answer: Json) -> Json:
        summary = answer["choices"][0]["message"]["content"]
        if not isinstance(summary, str) or not summary.strip():
            raise ValueError("a summary is text")
        item = {
            "id": f"cmp_{self._name}_{len(self._asked)}",
            "type": COMPACTION,
            "encrypted_content": sealed(summary),
        }
        return {
            "id": f"resp_{self._name}",
            "object": "response.compaction",
            "created_at": self._created,
            "output": [*self._asked, item],
            "usage": usage_of(answer.get("usage")) or NOTHING_USED,
        }


def sealed(summary: str) -> str:
    """It is its owner's own, so it is not encrypted; the field is only called so."""
    return MARK + base64.urlsafe_b64encode(summary.encode()).decode()


def unsealed(content: str) -> str:
    """Raises `ValueError` for what was not made here."""
    if not content.startswith(MARK):
        raise ValueError("it was not made here")
    try:
        return base64.b64decode(content[len(MARK) :], b"-_", validate=True).decode()
    except ValueError as error:
        raise ValueError("it was not made here") from error


def summary_message(item: Json) -> Json:
    """In a chat."""
    summary = unsealed(item["encrypted_content"])
    return {"role": "user", "content": f"Summary of our conversation so far:\n{summary}"}


def _message(item: Json) -> str:
    return f"{item['role']}: {_text(item['content'])}"


def _call(item: Json) -> str:
    return f"assistant calls {item['name']}: {item['arguments']}"


def _output(item: Json) -> str:
    output = item["output"]
    return f"result: {output if isinstance(output, str) else _text(output)}"


def _text(parts: list[Any]) -> str:
    """Of what is no text it says that it was there."""
    said = (
        part.get("text") or part.get("refusal") or f"[{part['type'].removeprefix('input_')}]"
        for part in parts
    )
    return " ".join(said)


_TOLD: Final[dict[str, Callable[[Json], str]]] = {
    "message": _message,
    "function_call": _call,
    "function_call_output": _output,
    "reasoning": lambda item: "",
    COMPACTION: lambda item: f"earlier: {unsealed(item['encrypted_content'])}",
}
