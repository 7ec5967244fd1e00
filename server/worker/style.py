"""A model's chat template as FastChat's API server would write it.

FastChat asks a worker for a `Conversation` and builds the prompt itself. A few renderings of the
model's own template show what stands around each message, and one of FastChat's separator styles
repeats it. What FastChat cannot do is leave out the system block when there is no system message:
`Style.without_empty_system` takes the empty one out of the prompt again.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

from server.core.errors import BadRequest
from server.worker.asked import Turn
from server.worker.engine import Style

_NO_COLON_TWO = 5
"""FastChat's `SeparatorStyle`: role, message, separator, with nothing in between."""
_SYSTEM, _ASKED, _SAID, _AGAIN = "\ue000s", "\ue000a", "\ue000b", "\ue000c"
_TALK = (Turn("user", _ASKED), Turn("assistant", _SAID), Turn("user", _AGAIN))

Render = Callable[[Sequence[Turn]], str]


def derive_style(render: Render, end_token_ids: Sequence[int]) -> Style | None:
    """None when the template does something that FastChat's styles cannot."""
    try:
        begin, *rest = _around(render(_TALK), (_ASKED, _SAID, _AGAIN))
    except (BadRequest, ValueError):
        return None
    answer, between, last = rest
    if answer != last:
        return None
    try:
        with_system = render([Turn("system", _SYSTEM), *_TALK])
        before, after, *others = _around(with_system, (_SYSTEM, _ASKED, _SAID, _AGAIN))
    except (BadRequest, ValueError):  # it takes no system message
        user = _common_end(begin, between)
        before, after, others = begin.removesuffix(user), user, rest
    if others != rest:
        return None
    user = _common_end(begin, after, between)
    after = after.removesuffix(user)
    fields = {
        "name": "own",
        "system_template": f"{_literal(before)}{{system_message}}{_literal(after)}",
        "system_message": "",
        "roles": [user, answer],
        "messages": [],
        "offset": 0,
        "sep_style": _NO_COLON_TWO,
        "sep": "",
        "sep2": between.removesuffix(user),
        "stop_str": None,
        "stop_token_ids": list(end_token_ids),
    }
    return Style(fields, empty_system=before + after + user, no_system=begin)


def _around(text: str, marks: Sequence[str]) -> list[str]:
    """What stands before, between and after the marks. Raises `ValueError` if one is missing."""
    pieces = []
    for mark in marks:
        piece, found, text = text.partition(mark)
        if not found:
            raise ValueError(mark)
        pieces.append(piece)
    return [*pieces, text]


def _common_end(*texts: str) -> str:
    shortest = min(texts, key=len)
    starts = (i for i in range(len(shortest)) if all(t.endswith(shortest[i:]) for t in texts))
    return shortest[next(starts, len(shortest)) :]


def _literal(text: str) -> str:
    """As it stands in a format string."""
    return text.replace("{", "{{").replace("}", "}}")
