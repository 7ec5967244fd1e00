from __future__ import annotations

from typing import Any

import pytest
from pydantic import ValidationError

from server.wire.openai_forms import ResponseFormat

SCHEMA = {"type": "object"}


@pytest.mark.parametrize(
    "wish",
    [
        {"type": "text"},
        {"type": "json_object"},
        {"type": "json_schema", "json_schema": {"name": "a-b_1", "schema": SCHEMA, "strict": True}},
        {"type": "json_schema", "json_schema": {"name": "n", "description": "d", "strict": None}},
    ],
)
def test_what_openai_takes_is_taken(wish: dict[str, Any]) -> None:
    assert ResponseFormat.model_validate(wish).type == wish["type"]


@pytest.mark.parametrize(
    "wish",
    [
        {},
        {"type": "xml"},
        {"type": "json_schema"},
        {"type": "json_schema", "json_schema": {"schema": SCHEMA}},
        {"type": "json_schema", "json_schema": {"name": "a b", "schema": SCHEMA}},
        {"type": "json_schema", "json_schema": {"name": "n" * 65, "schema": SCHEMA}},
        {"type": "json_schema", "json_schema": {"name": "n", "schema": []}},
        {"type": "json_schema", "json_schema": {"name": "n", "schema": SCHEMA, "strict": "yes"}},
    ],
)
def test_what_makes_no_sense_is_refused(wish: dict[str, Any]) -> None:
    with pytest.raises(ValidationError):
        ResponseFormat.model_validate(wish)
