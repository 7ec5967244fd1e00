"""How a model writes its calls, read off its own chat template.

A few renderings of a conversation with calls show what stands around their names and arguments.
What cannot be read off, because the template knows no tools or writes arguments that are not JSON,
is written as `PLAIN`, which the prompt then explains (`plain_calls`).
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Collection
from dataclasses import replace
from typing import Final

from server.core.errors import BadRequest
from server.worker.asked import Chat, Turn
from server.worker.calls import Call, CallStyle, Function

PLAIN: Final = CallStyle(
    begin='<tool_call>\n{"name": "',
    middle='", "arguments": ',
    end="}\n</tool_call>",
    between='}\n</tool_call>\n<tool_call>\n{"name": "',
)

_OFFERED = Function("shortline_a", "b", {"type": "object", "properties": {}})
_ASKED: Final = Turn("user", "\ue000a")
_SAID: Final = "\ue000b"
_ARGUMENTS: Final = '{"shortline_c": "d"}'
_CALLS: Final = tuple(
    Call(f"{number:09}", name, _ARGUMENTS)
    for number, name in enumerate(("shortline_e", "shortline_f"))
)
_ID = re.compile(r',\s*"id":\s*"00000000\d"')
"""Some templates write it; the models behind them do not."""

Render = Callable[[Chat], str]


def derive_calls(render: Render, marks: Collection[str], ends: Collection[str]) -> CallStyle | None:
    """`marks`: texts of the model's special tokens; `ends`: of those that end an answer.

    None: the template knows no tools, or writes calls as no style can.
    """
    try:
        prompt = render(Chat((_ASKED,), (_OFFERED,)))
        before, _, after = _whole(render, Turn("assistant", _SAID)).partition(_SAID)
        one = _whole(render, Turn("assistant", "", calls=_CALLS[:1]))
        start = _common(before, one, marks)
        begin, middle, end = _parts(one[start:], *_CALLS[:1])
    except (BadRequest, ValueError):
        return None
    if _OFFERED.name not in prompt or not begin:
        return None
    style = CallStyle(begin.lstrip(), middle, _without_end(_ID.sub("", end), after, ends))
    return replace(style, between=_between(render, start, style))


def _whole(render: Render, turn: Turn) -> str:
    return render(Chat((_ASKED, turn), (_OFFERED,)))


def _common(one: str, other: str, marks: Collection[str]) -> int:
    """Characters that both begin with: all that stands in front of an answer of any kind. No mark
    is cut in two."""
    differ = (at for at, (a, b) in enumerate(zip(one, other, strict=False)) if a != b)
    same = next(differ, min(len(one), len(other)))
    starts = (other.find(mark, max(0, same - len(mark) + 1), same + len(mark)) for mark in marks)
    return min((start for start in starts if 0 <= start < same), default=same)


def _parts(text: str, *calls: Call) -> list[str]:
    """What stands before, between and behind names and arguments. Raises `ValueError`."""
    parts = []
    for call in calls:
        before, found, text = text.partition(call.name)
        if not found:
            raise ValueError(call.name)
        start = text.index("{")
        arguments, end = json.JSONDecoder().raw_decode(text, start)
        if arguments != json.loads(call.arguments):
            raise ValueError(text)
        parts += [before, text[:start]]
        text = text[end:]
    return [*parts, text]


def _between(render: Render, start: int, style: CallStyle) -> str | None:
    try:
        two = _whole(render, Turn("assistant", "", calls=_CALLS))[start:]
        begin, middle, between, again, _ = _parts(two, *_CALLS)
    except (BadRequest, ValueError):
        return None
    if (begin.lstrip(), middle, again) != (style.begin, style.middle, style.middle):
        return None
    return _ID.sub("", between)


def _without_end(text: str, after_text: str, ends: Collection[str]) -> str:
    """Without what ends every answer, and what the template puts behind that."""
    found = [at for end in ends if (at := text.find(end)) >= 0]
    end = text[: min(found)] if found else text.removesuffix(after_text)
    return end.rstrip()
