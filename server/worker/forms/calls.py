"""The grammar of answers that may, or have to, call functions, and of those that come after a
thought, in llguidance's kind of Lark."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Mapping
from typing import Final

from server.worker.asked import AfterThought, Calls, JsonObject, JsonSchema
from server.worker.calls import Function
from server.worker.closed import COMPOSED, closed
from server.worker.forms.trial import SPACES

Literal = Callable[[str], str]
"""A text as terminals; special tokens of the model may be terminals of their own."""
Rules = dict[str, str]

MAX_CALLS: Final = 16
"""In one answer: a small model that has begun goes on until its context is full."""
_ANY: Final = "/(?s:.*)/"
_GAP: Final = r"/[ \n]{1,4}/"
"""Between a thought and what has a form: more than any model was taught."""


def written(text: str) -> str:
    """As a string of Lark; empty for none."""
    return json.dumps(text, ensure_ascii=False) if text else ""


def lark_of(
    form: JsonSchema | Calls | AfterThought, literal: Literal = written, marks: str = ""
) -> str:
    """`marks`: the special tokens that may stand in a text, as a terminal.

    Raises `TypeError`, `ValueError` or `RecursionError` for a schema that is not JSON.
    """
    if isinstance(form, JsonSchema):
        rules = {"start": _json_text(form)}
    elif isinstance(form, AfterThought):
        rules = _after_thought(form, literal, marks)
    else:
        rules = {"start": "answer", **_calls(form, literal, marks)}
    return "\n".join(f"{name}: {rule}" for name, rule in rules.items())


def _after_thought(wish: AfterThought, literal: Literal, marks: str) -> Rules:
    """Nothing of the answer's form is known in the thought, and no special tokens are: but for
    its end there is nothing that a model would do there."""
    form = wish.form
    begin, end = ("" if wish.begun else literal(wish.marks.begin)), literal(wish.marks.end)
    if end == written(wish.marks.end):
        rules = {"thought": f"{begin} rest", "rest[lazy]": f"{_ANY} {end}"}
    else:  # a special token, which is no part of a text; whoever reads the text takes both for one
        said = f"/(?s:.+)/{_without(wish.marks.end)}"
        rules = {"thought": f"{begin} THOUGHT? {end}", "THOUGHT": said}
    if isinstance(form, Calls):
        answer = _calls(form, literal, marks, "" if wish.begun else wish.marks.begin)
        has_form = form.demanded or form.text is not None
    else:
        answer, has_form = {"answer": _json_text(form)}, True
    thought = f"thought ({_GAP})?" if has_form else "thought"
    return {"start": f"({thought}){'' if wish.begun else '?'} answer", **rules, **answer}


def _calls(calls: Calls, literal: Literal, marks: str, opening: str = "") -> Rules:
    """`opening`: what no text begins with."""
    style = calls.style
    begin = literal(style.begin)
    but = f" & ~/(?s:{_pattern(opening)}.*)/" if opening else ""
    if calls.demanded:
        rules = {"answer": f"{begin} run"}
    elif calls.text is not None:
        rules = {"answer": f"said | {begin} run", "said": _json_text(calls.text)}
    elif not style.trigger:  # a call is all of the answer, and known by its first character
        rules = {"answer": f"SAID | {begin} run", "SAID": r"/(?s:\s*([^{\s].*)?)/" + but}
    elif begin != written(style.begin):  # a special token, which is no part of a text
        plain = f"/(?s:.+)/{_without(style.trigger)}{but}"
        rules = {"answer": f"said | said {begin} run", "said": _texts(marks), "PLAIN": plain}
    else:
        rest = literal(style.begin.removeprefix(style.trigger))
        rules = _until(style.trigger, rest, marks, but)
    most = MAX_CALLS - 1
    many = f"({literal(style.between)} call){{0,{most}}}" if calls.many and style.between else ""
    rules["run"] = f"call {many} {literal(style.end)}"
    rules["call"] = " | ".join(_call(calls, one, literal) for one in calls.functions)
    return rules


def arguments_of(function: Function) -> dict[str, object]:
    """The schema of an object that has no properties but those that it names."""
    schema = {"type": "object", **closed(function.parameters)}
    if COMPOSED & schema.keys() or schema.get("properties"):
        return schema
    return {"properties": {}, "additionalProperties": False, **schema}


def _until(trigger: str, rest: str, marks: str, but: str) -> Rules:
    """A text without the trigger, or with it where the calls begin."""
    return {
        "answer": f"said | trigger {rest} run",
        "said": _texts(marks),
        "trigger": f"{marks}* (PLAIN {marks}+)* lead" if marks else "lead",
        "lead[lazy]": f"/(?s:.*{_pattern(trigger)})/{but}",
        "PLAIN": f"/(?s:.+)/{_without(trigger)}{but}",
    }


def _without(text: str) -> str:
    return f" & ~/(?s:.*{_pattern(text)}.*)/"


def _pattern(text: str) -> str:
    return re.escape(text).replace("/", r"\/")


def _texts(marks: str) -> str:
    return f"(PLAIN | {marks})*" if marks else "PLAIN?"


def _call(calls: Calls, function: Function, literal: Literal) -> str:
    before = literal(function.name + calls.style.middle)
    return f"{before} {_json(arguments_of(function), strict=function.strict)}"


def _json_text(text: JsonObject | JsonSchema) -> str:
    if isinstance(text, JsonObject):
        return _json({"type": "object"}, strict=False)
    return _json(text.schema, strict=text.strict)


def _json(schema: Mapping[str, object], *, strict: bool) -> str:
    # In the place of what the schema may say there: it would change what counts as JSON.
    told = {**schema, "x-guidance": {**SPACES, "lenient": not strict}}
    return f"%json {json.dumps(told, allow_nan=False)}"
