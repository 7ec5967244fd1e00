"""What objects of a schema may have beside the properties that they name."""

from __future__ import annotations

from typing import Any

import pytest

from server.worker.closed import closed

NO = {"additionalProperties": False}
X: dict[str, Any] = {"properties": {"x": {"type": "integer"}}}


@pytest.mark.parametrize(
    ("schema", "wanted"),
    [
        (X, X | NO),
        (X | {"required": ["x"]}, X | NO | {"required": ["x"]}),
        ({"properties": {"a": X}}, {"properties": {"a": X | NO}} | NO),
        ({"items": X}, {"items": X | NO}),
        ({"anyOf": [X, {"type": "null"}]}, {"anyOf": [X | NO, {"type": "null"}]}),
        ({"$ref": "#/$defs/a", "$defs": {"a": X}}, {"$ref": "#/$defs/a", "$defs": {"a": X | NO}}),
        ({"additionalProperties": X}, {"additionalProperties": X | NO}),
        ({"properties": {"not": X}}, {"properties": {"not": X | NO}} | NO),
    ],
)
def test_objects_have_what_they_name(schema: Any, wanted: Any) -> None:
    assert closed(schema) == wanted


@pytest.mark.parametrize(
    "schema",
    [
        {},
        {"type": "object"},
        {"type": "object", "properties": {}},
        X | {"additionalProperties": True},
        X | {"additionalProperties": {"type": "null"}},
        X | {"required": ["y"]},
        X | {"required": 7},
        X | {"minProperties": 2},
        X | {"anyOf": [{"properties": {"y": {}}}, {}]},
        {"anyOf": [X, {}], "required": ["y"]},
        {"allOf": [X, {"properties": {"y": {}}}]},
        {"$defs": {"a": X}, "properties": {"b": {"allOf": [{"$ref": "#/$defs/a"}]}}},
        X | {"patternProperties": {"^y": {}}},
        {"properties": 5, "anyOf": 6, "items": 7},
    ],
)
def test_what_says_otherwise_or_is_said_elsewhere_stays_as_it_is(schema: Any) -> None:
    assert closed(schema) == schema


def test_what_was_given_is_not_changed() -> None:
    schema: dict[str, Any] = {"properties": {"a": {"properties": {"b": {}}}}}
    closed(schema)
    assert schema == {"properties": {"a": {"properties": {"b": {}}}}}
