"""What is wrong with a request, in OpenAI's words."""

from __future__ import annotations

from server.core.errors import BadRequest


def bad(param: str, reason: str, code: str = "invalid_value") -> BadRequest:
    return BadRequest(f"Invalid value for '{param}': {reason}.", param=param, code=code)


def missing(param: str) -> BadRequest:
    message = f"Missing required parameter: '{param}'."
    return BadRequest(message, param=param, code="missing_required_parameter")
