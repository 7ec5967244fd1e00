"""Forms as what is tried and compiled: schemas, and grammars with schemas in them."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Final, TypeAlias

from server.core.errors import BadRequest
from server.worker.calls import Function
from server.worker.engine import Calls, JsonSchema
from server.worker.engines._call_grammar import Literal, arguments_of, lark_of, written
from server.worker.engines._grammar_trial import Trial

MAX_SCHEMA_BYTES = 1 << 20
ANY_OBJECT: Final = JsonSchema({"type": "object"}, param="response_format")

Wish: TypeAlias = JsonSchema | Calls


def trial_of(wish: Wish, literal: Literal = written, marks: str = "") -> Trial:
    """`literal` and `marks` as in `lark_of`. Raises `BadRequest` for what is no schema at all."""
    param = param_of(wish)
    schemas = [wish.schema] if isinstance(wish, JsonSchema) else [*map(_arguments, wish.functions)]
    if not all(isinstance(schema, Mapping) for schema in schemas):
        raise BadRequest("A schema is a JSON object.", param=param)
    try:
        if isinstance(wish, Calls):
            text = lark_of(wish, literal, marks)
        else:
            # The library's own options would let a schema change what counts as JSON.
            plain = {name: value for name, value in wish.schema.items() if name != "x-guidance"}
            text = json.dumps(plain, allow_nan=False)
    except (TypeError, ValueError, RecursionError) as error:
        raise BadRequest("This schema is not JSON, or nested too deeply.", param=param) from error
    if len(text) > MAX_SCHEMA_BYTES:
        raise BadRequest(f"A schema has at most {MAX_SCHEMA_BYTES} bytes.", param=param)
    lenient = isinstance(wish, JsonSchema) and not wish.strict
    return {"text": text, "is_lark": isinstance(wish, Calls), "lenient": lenient}


def alone(function: Function) -> JsonSchema:
    """Its arguments, without those of others."""
    param = f"{function.param}.parameters"
    return JsonSchema(arguments_of(function), strict=function.strict, param=param)


def param_of(wish: Wish) -> str:
    return wish.param if isinstance(wish, JsonSchema) else "tools"


def _arguments(function: Function) -> object:
    return function.parameters
