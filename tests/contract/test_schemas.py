"""Schemas as clients send them, with OpenAI's own: most do not say `strict`, nor how they end."""

from __future__ import annotations

import json
from typing import Any

import pytest
from openai.types.shared_params import ResponseFormatJSONSchema

from tests.contract.test_openai_types import BUNDLED, client_of
from tests.fakes.worker import local_worker

CITY: dict[str, Any] = {"type": "object", "properties": {"city": {"enum": ["Paris", "Rome"]}}}
LLM: dict[str, Any] = {
    "type": "object",
    "properties": {"n": {"type": "integer", "maximum": 9}, "ok": {"type": "boolean"}},
    "required": ["n", "ok"],
}
PYDANTIC: dict[str, Any] = {
    "$defs": {"City": CITY | {"required": ["city"]}},
    "type": "object",
    "properties": {"best": {"anyOf": [{"$ref": "#/$defs/City"}, {"type": "null"}]}},
    "required": ["best"],
}


@pytest.mark.parametrize("schema", [LLM, PYDANTIC], ids=["llm", "pydantic"])
async def test_objects_have_what_their_schema_names(schema: dict[str, Any]) -> None:
    form: ResponseFormatJSONSchema = {
        "type": "json_schema",
        "json_schema": {"name": "output", "schema": schema},
    }
    async with local_worker(BUNDLED) as worker, client_of(worker) as client:
        for seed in range(6):
            answer = await client.chat.completions.create(
                model="mini",
                messages=[{"role": "user", "content": "hello"}],
                response_format=form,
                seed=seed,
            )
            said = json.loads(answer.choices[0].message.content or "")
            assert said.keys() == schema["properties"].keys()
            assert (said.get("best") or {}).keys() <= {"city"}
