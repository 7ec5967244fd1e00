from __future__ import annotations

import asyncio
import json
from pathlib import Path
from typing import Any

import anyio
import psutil
import pytest

from server.core.errors import Internal
from server.worker.forms import grammar, trial
from server.worker.forms.trial import fault

Json = dict[str, Any]

BAD: dict[str, tuple[Json, str]] = {
    "no such type": ({"type": "strnig"}, "Invalid type: strnig"),
    "no object of properties": ({"type": "object", "properties": [1]}, "properties"),
    "no list of names": ({"type": "object", "required": "a"}, "required"),
    "a conflict": ({"allOf": [{"type": "string"}, {"type": "integer"}]}, "Unsatisfiable"),
    "no number between": ({"type": "integer", "minimum": 10, "maximum": 5}, "Unsatisfiable"),
    "an impossible property": (
        {"type": "object", "properties": {"a": False}, "required": ["a"]},
        "Unsatisfiable",
    ),
    "nothing to choose from": ({"enum": []}, "Unsatisfiable"),
    "itself": ({"$ref": "#"}, "nothing fits it"),
    "each the other": (
        {"$defs": {"a": {"$ref": "#/$defs/b"}, "b": {"$ref": "#/$defs/a"}}, "$ref": "#/$defs/a"},
        "nothing fits it",
    ),
    "a missing place": ({"$ref": "#/$defs/none"}, "does not exist"),
    "a place elsewhere": ({"$ref": "http://localhost/x.json"}, "not fetch"),
    "a file": ({"$ref": "file:///etc/hosts"}, "not fetch"),
    "half a pattern": ({"type": "string", "pattern": "(("}, "unclosed group"),
    "a look ahead": ({"type": "string", "pattern": "^(?=a)b"}, "look-around"),
    "a keyword it cannot keep": ({"not": {"type": "string"}}, 'Unimplemented keys: ["not"]'),
    "unique items": ({"type": "array", "uniqueItems": True}, "uniqueItems"),
    "either of two at once": ({"oneOf": [{"type": "integer"}, {"type": "number"}]}, "oneOf"),
    "an unknown format": ({"type": "string", "format": "my-thing"}, "my-thing"),
    "half a character": ({"const": "\ud800"}, "hex escape"),
    "too many ways": (
        {"allOf": [{"anyOf": [{"required": [f"k{a}{b}"]} for b in range(4)]} for a in range(20)]},
        "too large",
    ),
}


def tried(schema: Json, *, lenient: bool = False) -> str:
    return fault({"text": json.dumps(schema), "is_lark": False, "lenient": lenient})


@pytest.mark.parametrize("name", BAD)
def test_what_is_wrong_is_said_in_a_line(name: str) -> None:
    schema, why = BAD[name]
    said = tried(schema)
    assert why in said
    assert "\n" not in said
    assert len(said) <= 300


@pytest.mark.parametrize(
    "schema",
    [
        {"not": {"type": "string"}},
        {"type": "array", "uniqueItems": True},
        {"type": "string", "format": "my-thing"},
        {"oneOf": [{"type": "integer"}, {"type": "number"}]},
        {"if": {"type": "string"}, "then": {"minLength": 3}},
        {"type": "array", "contains": {"type": "integer"}},
        {"type": "object", "propertyNames": {"pattern": "^a"}},
    ],
)
def test_the_lenient_pass_over_what_cannot_be_kept_to(schema: Json) -> None:
    assert tried(schema) != ""
    assert tried(schema, lenient=True) == ""


def test_our_own_options_are_not_named_to_strangers() -> None:
    said = tried({"oneOf": [{"type": "integer"}, {"type": "number"}]})
    assert said == "oneOf constraints are not supported"


def test_a_hundred_levels_are_not_too_many() -> None:
    schema: Json = {"type": "null"}
    for _ in range(100):
        schema = {"type": "array", "items": schema}
    assert tried(schema) == ""


def test_a_thousand_properties_are_not_too_many() -> None:
    properties = {f"property_{number}": {"type": "string"} for number in range(1000)}
    assert tried({"type": "object", "properties": properties}) == ""


# -- in a process of its own

CHAIN: Json = {
    "$defs": {f"d{n}": {"$ref": f"#/$defs/d{n + 1}"} for n in range(5000)}
    | {"d5000": {"type": "null"}},
    "$ref": "#/$defs/d0",
}
SLOW: Json = {
    "allOf": [
        {"type": "string", "pattern": f".*{chr(97 + number % 26)}.{{{number}}}"}
        for number in range(40)
    ]
}


async def tried_apart(schema: Json) -> str:
    return await grammar._try({"text": json.dumps(schema), "is_lark": False, "lenient": False})


async def test_a_good_schema_passes() -> None:
    assert await tried_apart({"type": "object"}) == ""


async def test_what_is_wrong_is_said_by_the_other_process() -> None:
    assert await tried_apart({"const": "é", "type": "strñg"}) == "Invalid type: strñg"


async def test_a_deep_schema_is_refused() -> None:
    schema: Json = {"type": "null"}
    for _ in range(200):
        schema = {"type": "array", "items": schema}
    assert "recursion limit" in await tried_apart(schema)


async def test_a_schema_that_ends_the_process_that_reads_it_is_refused() -> None:
    assert await tried_apart(CHAIN) == "it is too large, or nested too deeply"


@pytest.mark.slow
async def test_a_schema_that_takes_for_ever_is_refused() -> None:
    assert await tried_apart(SLOW) == "it takes more than 2 s to compile"


def trials_at_work() -> int:
    ours = psutil.Process().children()
    return sum(trial.__file__ in child.cmdline() for child in ours)


async def test_who_leaves_ends_the_trial() -> None:
    task = asyncio.create_task(tried_apart(SLOW))
    while not trials_at_work():
        await anyio.lowlevel.checkpoint()
    task.cancel()
    with pytest.raises(asyncio.CancelledError), anyio.fail_after(1):
        await task
    assert not trials_at_work()


async def test_a_trial_that_fails_by_itself_is_not_the_schemas_fault(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    broken = tmp_path / "broken.py"
    broken.write_text("raise KeyError")
    monkeypatch.setattr(trial, "__file__", str(broken))
    with pytest.raises(Internal):
        await tried_apart({})
