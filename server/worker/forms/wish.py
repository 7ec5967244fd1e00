"""Forms as what is tried and compiled: schemas, and grammars with schemas in them."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import replace
from typing import Final, TypeAlias

from server.core.errors import BadRequest
from server.worker.asked import AfterThought, Calls, Form, JsonObject, JsonSchema
from server.worker.calls import Function
from server.worker.forms.calls import Literal, arguments_of, lark_of, written
from server.worker.forms.trial import Trial

MAX_SCHEMA_BYTES = 1 << 20
ANY_OBJECT: Final = JsonSchema({"type": "object"}, param="response_format")

Wish: TypeAlias = JsonSchema | Calls | AfterThought


def wish_of(form: Form) -> Wish:
    """With any object by its schema."""
    if isinstance(form, AfterThought) and isinstance(form.form, JsonObject):
        return replace(form, form=ANY_OBJECT)
    return ANY_OBJECT if isinstance(form, JsonObject) else form


def answer_of(wish: Wish) -> JsonSchema | Calls:
    """Without the thought in front of it."""
    inner = wish.form if isinstance(wish, AfterThought) else wish
    return ANY_OBJECT if isinstance(inner, JsonObject) else inner


def trial_of(wish: Wish, literal: Literal = written, marks: str = "") -> Trial:
    """`literal` and `marks` as in `lark_of`. Raises `BadRequest` for what is no schema at all."""
    param = param_of(wish)
    inner = answer_of(wish)
    if isinstance(inner, JsonSchema):
        schemas: list[object] = [inner.schema]
    else:
        schemas = [function.parameters for function in inner.functions]
    if not all(isinstance(schema, Mapping) for schema in schemas):
        raise BadRequest("A schema is a JSON object.", param=param)
    try:
        if isinstance(wish, JsonSchema):
            # The library's own options would let a schema change what counts as JSON.
            plain = {name: value for name, value in wish.schema.items() if name != "x-guidance"}
            text = json.dumps(plain, allow_nan=False)
        else:
            text = lark_of(wish, literal, marks)
    except (TypeError, ValueError, RecursionError) as error:
        raise BadRequest("This schema is not JSON, or nested too deeply.", param=param) from error
    if len(text) > MAX_SCHEMA_BYTES:
        raise BadRequest(f"A schema has at most {MAX_SCHEMA_BYTES} bytes.", param=param)
    lenient = isinstance(wish, JsonSchema) and not wish.strict
    return {"text": text, "is_lark": not isinstance(wish, JsonSchema), "lenient": lenient}


def alone(function: Function) -> JsonSchema:
    """Its arguments, without those of others."""
    param = f"{function.param}.parameters"
    return JsonSchema(arguments_of(function), strict=function.strict, param=param)


def param_of(wish: Wish) -> str:
    inner = answer_of(wish)
    return inner.param if isinstance(inner, JsonSchema) else "tools"
