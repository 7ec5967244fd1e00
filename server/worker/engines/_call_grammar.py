"""The grammar of answers that may, or have to, call functions, in llguidance's kind of Lark."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Mapping
from typing import Final

from server.worker.calls import Function
from server.worker.engine import Calls, JsonObject, JsonSchema
from server.worker.engines._grammar_trial import WHITESPACE

Literal = Callable[[str], str]
"""A text as terminals; special tokens of the model may be terminals of their own."""
Rules = dict[str, str]

MAX_CALLS: Final = 16
"""In one answer: a small model that has begun goes on until its context is full."""
_ANY: Final = "/(?s:.*)/"
_COMPOSED: Final = frozenset(
    {"$ref", "allOf", "anyOf", "oneOf", "not", "if", "patternProperties", "unevaluatedProperties"}
)


def written(text: str) -> str:
    """As a string of Lark; empty for none."""
    return json.dumps(text, ensure_ascii=False) if text else ""


def lark_of(calls: Calls, literal: Literal = written, marks: str = "") -> str:
    """`marks`: the special tokens that may stand in a text, as a terminal.

    Raises `TypeError`, `ValueError` or `RecursionError` for a schema that is not JSON.
    """
    style = calls.style
    begin = literal(style.begin)
    if calls.demanded:
        rules = {"start": f"{begin} run"}
    elif calls.text is not None:
        rules = {"start": f"said | {begin} run", "said": _json_text(calls.text)}
    elif not style.trigger:  # a call is all of the answer, and known by its first character
        rules = {"start": f"said | {begin} run", "said": r"/(?s:\s*([^{\s].*)?)/"}
    elif begin != written(style.begin):  # a special token, which is no part of a text
        rules = {"start": f"said | said {begin} run", "said": _texts(marks), "PLAIN": "/(?s:.+)/"}
    else:
        rules = _until(style.trigger, literal(style.begin.removeprefix(style.trigger)), marks)
    most = MAX_CALLS - 1
    many = f"({literal(style.between)} call){{0,{most}}}" if calls.many and style.between else ""
    rules["run"] = f"call {many} {literal(style.end)}"
    rules["call"] = " | ".join(_call(calls, one, literal) for one in calls.functions)
    return "\n".join(f"{name}: {rule}" for name, rule in rules.items())


def arguments_of(function: Function) -> dict[str, object]:
    """The schema of an object that has the properties it names, and no others unless it says so:
    a small model would invent some for ever."""
    schema = {"type": "object", **function.parameters}
    if _COMPOSED & schema.keys():
        return schema
    return {"properties": {}, "additionalProperties": False, **schema}


def _until(trigger: str, rest: str, marks: str) -> Rules:
    """A text without the trigger, or with it where the calls begin."""
    pattern = re.escape(trigger).replace("/", r"\/")
    return {
        "start": f"said | trigger {rest} run",
        "said": _texts(marks),
        "trigger": f"{marks}* (PLAIN {marks}+)* lead" if marks else "lead",
        "lead[lazy]": f"{_ANY} {written(trigger)}",
        "PLAIN": f"/(?s:.+)/ & ~/(?s:.*{pattern}.*)/",
    }


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
    told = {**schema, "x-guidance": {"whitespace_pattern": WHITESPACE, "lenient": not strict}}
    return f"%json {json.dumps(told, allow_nan=False)}"
