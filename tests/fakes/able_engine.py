"""An engine of ours, with a model that can do what a large one can."""

from __future__ import annotations

import json
from collections.abc import AsyncGenerator

from server.worker.asked import Ask, Calls, Chat, Delta, JsonObject, JsonSchema, Prepared, Prompt
from server.worker.call_style import PLAIN
from server.worker.engine import Engine
from tests.fakes.able import SAID, filled, keyed, pieces


class AbleEngine(Engine):
    abilities = ("chat",)
    context_length = 8192

    async def prepare(self, prompt: Prompt) -> Prepared:
        assert isinstance(prompt, Chat)
        heard = next(turn.text for turn in reversed(prompt.turns) if turn.role == "user")
        return Prepared(7, heard, prompt, calls=PLAIN if prompt.functions else None)

    async def generate(self, prepared: Prepared, ask: Ask) -> AsyncGenerator[Delta, None]:
        assert isinstance(prepared.inner, Chat)
        text = _answer(prepared.text, ask, may_call=prepared.inner.turns[-1].role != "tool")
        count = 0
        for count, piece in enumerate(pieces(text), 1):
            yield Delta(piece, count)
        yield Delta("", count, "stop")


def _answer(heard: str, ask: Ask, *, may_call: bool) -> str:
    form = ask.form
    if isinstance(form, Calls) and may_call:
        [function, *_] = form.functions
        arguments = filled({"type": "object", **function.parameters}, heard)
        style = form.style
        return f"{style.begin}{function.name}{style.middle}{json.dumps(arguments)}{style.end}"
    if isinstance(form, Calls):
        form = form.text
    if isinstance(form, JsonSchema):
        return json.dumps(filled(form.schema, heard))
    return json.dumps(keyed(heard)) if isinstance(form, JsonObject) else SAID
