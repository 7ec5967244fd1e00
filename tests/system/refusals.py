"""Law TYPED: what a client sees of every request that is not served."""

from __future__ import annotations

import json
from collections.abc import Collection
from importlib.metadata import version
from typing import Any

import requests

FIELDS = {"message", "type", "param", "code", "request_id"}
INSIDES = ("Traceback", 'File "', "site-packages", ".py", "uvicorn", version("shortline"))
"""What an answer would show of us if an exception got through to it."""


def demand_served_or_refused(
    answer: requests.Response, *, asked: str = "", wished: Collection[str] = ()
) -> None:
    """None of our own failures; if it is an error, one in OpenAI's shape or Anthropic's.

    `asked`: what was sent, as an error may repeat it; `wished`: codes of what a request may bring
    upon itself, though their status says otherwise.
    """
    if answer.status_code < 400:
        return
    error = demand_typed(answer, asked=asked)
    assert answer.status_code < 500 or error["code"] in wished, (answer.status_code, error)


def demand_typed(answer: requests.Response, *, asked: str = "") -> dict[str, Any]:
    """The error in `answer`."""
    assert answer.headers["content-type"] == "application/json", answer.headers
    body: dict[str, Any] = json.loads(answer.content)
    assert set(body) in ({"error"}, {"type", "error", "request_id"}), body
    error = _error_of(body) if "type" in body else body["error"]
    assert set(error) == FIELDS, error
    assert isinstance(error["message"], str) and error["message"], error
    assert isinstance(error["type"], str), error
    assert error["request_id"] == answer.headers["x-request-id"], error
    for inside in INSIDES:
        assert inside not in answer.text or inside in asked, answer.text[:500]
    assert "server" not in answer.headers, answer.headers
    return error


def _error_of(body: dict[str, Any]) -> dict[str, Any]:
    """What is said in Anthropic's shape, in OpenAI's."""
    error: dict[str, Any] = body["error"]
    details = error.get("details", {"error_code": None, "param": None})
    return {
        "message": error["message"],
        "type": error["type"],
        "param": details["param"],
        "code": details["error_code"],
        "request_id": body["request_id"],
    }
