"""Whether a model thinks before it answers, and by which marks that is known."""

from __future__ import annotations

from typing import Final

from server.core.errors import BadRequest, StartError
from server.core.settings import ModelSettings
from server.worker.asked import Chat, Turn
from server.worker.engine import Engine
from server.worker.text.thinking import Marks

OPTION: Final = "thinking"
"""Of a model's `options`: its two marks with a space between them, or false."""
USUAL: Final = Marks("<think>", "</think>")


async def marks_of(engine: Engine, settings: ModelSettings) -> Marks | None:
    """None: what it says is all answer. Raises `StartError` for an option that names no marks.

    Unless the operator says, a model thinks whose vocabulary has the usual marks, so that each
    is one token, or whose template begins the thought for it.
    """
    said = settings.options.get(OPTION)
    if "chat" not in engine.abilities or said in (False, ""):
        return None
    if said is not None:
        return _named(settings.name, said)
    try:
        before = (await engine.prepare(_saying(USUAL.begin))).tokens
        after = (await engine.prepare(_saying(USUAL.begin + USUAL.end))).tokens
        prompt = (await engine.prepare(_saying("x"))).text
    except BadRequest:  # a template that takes no such message
        return None
    has_marks = after - before == 1
    return USUAL if has_marks or prompt.rstrip().endswith(USUAL.begin) else None


def _saying(text: str) -> Chat:
    return Chat((Turn("user", text),))


def _named(model: str, said: object) -> Marks:
    parts = said.split() if isinstance(said, str) else []
    if len(parts) != 2:
        raise StartError(
            f"model {model!r}: options.{OPTION} is two marks with a space between them, "
            f"such as '{USUAL.begin} {USUAL.end}', or false"
        )
    return Marks(*parts)
