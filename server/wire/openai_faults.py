"""What is wrong with a request, in OpenAI's words: message, `param` and `code`.

https://platform.openai.com/docs/guides/error-codes
"""

from __future__ import annotations

from typing import Any, Final

from pydantic import ValidationError
from pydantic_core import PydanticCustomError

from server.core.errors import BadRequest
from server.wire.whole_numbers import Loc, keys_of

MAX_PARAM_CHARS: Final = 200
"""A key of the client's may stand in it."""
_CODES: Final = {
    "missing": "missing_required_parameter",
    "too_short": "empty_array",
    "too_long": "array_above_max_length",
    "string_too_short": "empty_string",
    "string_too_long": "string_above_max_length",
    "int_from_float": "invalid_type",
}
"""By pydantic's names."""
_REASONS: Final = {"model_type": "it must be an object", "dict_type": "it must be an object"}
"""Where pydantic's words would name our own classes, or Python's."""
_LIMITS: Final = {
    "greater_than_equal": ("ge", "below_min_value"),
    "greater_than": ("gt", "below_min_value"),
    "less_than_equal": ("le", "above_max_value"),
}


def fault(reason: str, at: str = "") -> PydanticCustomError:
    """To be raised by a validator of a field: what is wrong in it, and where (`[2].text`)."""
    return PydanticCustomError("fault", "{reason}", {"reason": reason, "at": at})


def clash(message: str, param: str) -> PydanticCustomError:
    """To be raised by a validator of a request: two fields of it do not go together."""
    return PydanticCustomError("clash", "{message}", {"message": message, "param": param})


def missing(at: str) -> PydanticCustomError:
    """To be raised by a validator of an object: a field of it is absent (`.content`)."""
    return PydanticCustomError("missing", "{at} is absent", {"at": at})


def bad_request(error: ValidationError, body: dict[str, Any]) -> BadRequest:
    """The first mistake in OpenAI's words, with the path of the field as `param`."""
    detail = error.errors(include_url=False, include_input=False)[0]
    kind, context = detail["type"], detail.get("ctx", {})
    code = _code(kind, context)
    if kind == "clash":
        return BadRequest(context["message"], param=context["param"], code=code)
    param = (_path(detail["loc"], body) + context.get("at", ""))[:MAX_PARAM_CHARS]
    if kind == "missing":
        return BadRequest(f"Missing required parameter: '{param}'.", param=param, code=code)
    said = detail["msg"].removeprefix("Value error, ").replace(" after validation", "")
    reason = _REASONS.get(kind) or said.rstrip(".")
    return BadRequest(f"Invalid value for '{param}': {reason}.", param=param, code=code)


def _code(kind: str, context: dict[str, Any]) -> str:
    """`integer_above_max_value` and the like."""
    if kind in _LIMITS:
        limit, beyond = _LIMITS[kind]
        return f"{'decimal' if isinstance(context[limit], float) else 'integer'}_{beyond}"
    return _CODES.get(kind, "invalid_type" if kind.endswith("_type") else "invalid_value")


def _path(loc: Loc, body: Any) -> str:
    """`messages[0].content`."""
    path = ""
    for key in keys_of(loc, body):
        path += f"[{key}]" if isinstance(key, int) else f".{key}" if path else key
    return path or "body"
