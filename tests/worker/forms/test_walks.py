"""Random walks through forms: whatever is sampled fits its schema."""

from __future__ import annotations

import json
import random
from collections.abc import Mapping
from typing import Any

import anyio
import jsonschema
import pytest
from hypothesis import HealthCheck, assume, given
from hypothesis import settings as law
from hypothesis import strategies as st

from server.worker.asked import Form, JsonObject, JsonSchema
from server.worker.forms.grammar import Constraint, Grammars
from tests.worker.forms.grammars import ENDS, allowed

FREE_TOKENS = 40
"""Of a walk, before it makes for the end."""
Json = dict[str, Any]


def in_string(text: str) -> bool:
    inside = escaped = False
    for char in text:
        if escaped:
            escaped = False
        elif char == "\\":
            escaped = inside
        elif char == '"':
            inside = not inside
    return inside


def towards_end(tokenizer: Any, possible: list[int], text: str) -> int | None:
    """What closes most; None: nothing does."""
    wanted = '"' if in_string(text) else '}]:,"0ntf[{'
    marks = [*ENDS, *(tokenizer.convert_tokens_to_ids(char) for char in wanted)]
    return next((token for token in marks if token in possible), None)


def walk(tokenizer: Any, constraint: Constraint, seed: int, most: int = 600) -> str | None:
    """A random text that the constraint lets through; None: it has no end in sight."""
    dice = random.Random(seed)
    taken: list[int] = []
    while len(taken) < most:
        possible = allowed(constraint)
        assert possible
        closing = None
        if len(taken) >= FREE_TOKENS:
            closing = towards_end(tokenizer, possible, tokenizer.decode(taken))
        token = closing if closing is not None else dice.choice(possible)
        assert (token in ENDS) <= constraint.may_end
        if token in ENDS:
            return str(tokenizer.decode(taken))
        constraint.accept(token)
        taken.append(token)
        if constraint.is_done:
            assert set(allowed(constraint)) == set(ENDS)
            return str(tokenizer.decode(taken))
    return None


def fits(schema: Mapping[str, object], text: str) -> None:
    jsonschema.validate(json.loads(text), schema, cls=jsonschema.Draft202012Validator)


def walks(
    tokenizer: Any, grammars: Grammars, form: Form, seed: int, count: int = 3
) -> list[str | None]:
    grammar = anyio.run(grammars.compile, form)
    return [walk(tokenizer, grammar.begin(), seed + more) for more in range(count)]


NODE = {
    "type": "object",
    "properties": {
        "v": {"type": "integer"},
        "next": {"anyOf": [{"$ref": "#/$defs/node"}, {"type": "null"}]},
    },
    "required": ["v", "next"],
    "additionalProperties": False,
}
GOOD: dict[str, Json] = {
    "a list": {"$defs": {"node": NODE}, "$ref": "#/$defs/node"},
    "a tree": {
        "type": "object",
        "properties": {"kids": {"type": "array", "items": {"$ref": "#"}}},
        "required": ["kids"],
        "additionalProperties": False,
    },
    "an enum": {"enum": ["a", 'b"\n', "日本", "👋", 1, None, True, {"x": [1, 2]}]},
    "a large enum": {"enum": [f"value number {number}" for number in range(5000)]},
    "a pattern": {"type": "string", "pattern": "^[A-Z]{3}-[0-9]{4}$"},
    "a long pattern": {"type": "string", "pattern": "^(a|b)*a(a|b){30}$"},
    "so many items": {"type": "array", "items": {"type": "integer"}, "minItems": 2, "maxItems": 3},
    "names in any language": {
        "type": "object",
        "properties": {"ключ": {"const": "значение"}, '😀"\\': {"type": "null"}, "": {}},
        "required": ["ключ", '😀"\\', ""],
        "additionalProperties": False,
    },
    "other properties": {
        "type": "object",
        "properties": {"a": {"type": "integer"}},
        "additionalProperties": {"type": "boolean"},
    },
    "one of several": {
        "anyOf": [
            {"type": "object", "properties": {"a": {"type": "integer"}}, "required": ["a"]},
            {"type": "array", "items": {"type": "number"}},
            {"type": ["string", "null"]},
        ]
    },
    "one by its kind": {
        "oneOf": [
            {"type": "object", "properties": {"k": {"const": kind}}, "required": ["k"]}
            for kind in ("a", "b")
        ]
    },
    "a range": {"type": "number", "minimum": -1.5, "exclusiveMaximum": 1000},
    "sevens": {"type": "integer", "multipleOf": 7, "minimum": 0, "maximum": 1000},
    "a date": {"type": "string", "format": "date"},
    "all of": {"allOf": [{"type": "integer", "minimum": 5}, {"maximum": 9}]},
    "words about it": {"type": "boolean", "title": "t", "description": "x" * 900_000, "x-own": 1},
    "fifty deep": {"type": "array", "items": {"$ref": "#/$defs/l1"}}
    | {"$defs": {f"l{n}": {"type": "array", "items": {"$ref": f"#/$defs/l{n + 1}"}}
                 for n in range(1, 50)} | {"l50": {"type": "null"}}},
}  # fmt: skip


@pytest.mark.parametrize("name", GOOD)
def test_whatever_may_come_fits_the_schema(
    tokenizer: Any, grammars: Grammars, quick: None, name: str
) -> None:
    texts = walks(tokenizer, grammars, JsonSchema(GOOD[name]), seed=7, count=6)
    for text in texts:
        assert text is not None
        fits(GOOD[name], text)


def test_whatever_may_come_is_a_json_object(tokenizer: Any, grammars: Grammars) -> None:
    for text in walks(tokenizer, grammars, JsonObject(), seed=1, count=12):
        assert text is not None
        assert isinstance(json.loads(text), dict)


names = st.text(st.characters(exclude_categories=["Cs"]), max_size=6)
values = st.none() | st.booleans() | st.integers(-999, 999) | names


@st.composite
def texts(draw: st.DrawFn) -> Json:
    shortest = draw(st.integers(0, 4))
    longest = draw(st.none() | st.integers(shortest, 9))
    bounds = {"minLength": shortest} | ({} if longest is None else {"maxLength": longest})
    return {"type": "string"} | bounds


@st.composite
def numbers(draw: st.DrawFn) -> Json:
    kind = draw(st.sampled_from(["integer", "number"]))
    least, most = sorted(draw(st.tuples(st.integers(-500, 500), st.integers(-500, 500))))
    bounds = draw(st.sampled_from([{}, {"minimum": least}, {"minimum": least, "maximum": most}]))
    return {"type": kind} | bounds


leaves = st.one_of(
    texts(),
    numbers(),
    st.sampled_from(["boolean", "null"]).map(lambda kind: {"type": kind}),
    st.lists(values, min_size=1, max_size=4).map(lambda items: {"enum": items}),
    values.map(lambda value: {"const": value}),
    st.sampled_from(["^[a-f]{1,3}$", "^(x|yz)+$", "\\d\\d", "^é?ß"]).map(
        lambda pattern: {"type": "string", "pattern": pattern}
    ),
)


def lists_of(items: st.SearchStrategy[Json]) -> st.SearchStrategy[Json]:
    def array(items: Json, least: int, more: int) -> Json:
        return {"type": "array", "items": items, "minItems": least, "maxItems": least + more}

    return st.builds(array, items, st.integers(0, 2), st.integers(0, 2))


@st.composite
def objects_of(draw: st.DrawFn, inner: st.SearchStrategy[Json]) -> Json:
    properties = draw(st.dictionaries(names, inner, max_size=3))
    required = [name for name in properties if draw(st.booleans())]
    others = draw(st.one_of(st.booleans(), inner))
    return {
        "type": "object",
        "properties": properties,
        "required": required,
        "additionalProperties": others,
    }


schemas = st.recursive(
    leaves,
    lambda inner: st.one_of(
        lists_of(inner),
        objects_of(inner),
        st.lists(inner, min_size=1, max_size=3).map(lambda several: {"anyOf": several}),
    ),
    max_leaves=6,
)


@law(deadline=None, max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(schema=schemas, seed=st.integers(0, 2**20))
def test_a_walk_through_any_schema_ends_in_what_it_describes(
    tokenizer: Any, grammars: Grammars, quick: None, schema: Json, seed: int
) -> None:
    (text,) = walks(tokenizer, grammars, JsonSchema(schema), seed, count=1)
    assume(text is not None)
    fits(schema, str(text))
