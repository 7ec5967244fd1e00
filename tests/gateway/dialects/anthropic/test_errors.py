from __future__ import annotations

import json

import pytest
from anthropic.types.shared import ErrorResponse

from server.core.errors import (
    DeadlineExceeded,
    Overloaded,
    RequestError,
    Unauthorized,
    Unavailable,
    UpstreamTimeout,
    WorkerLost,
)
from server.gateway.dialects.anthropic.errors import failure, refusal
from tests.gateway.dialects.anthropic.said import strictly


@pytest.mark.parametrize(
    ("error", "kind"),
    [
        (DeadlineExceeded("x"), "timeout_error"),
        (Overloaded("x"), "overloaded_error"),
        (Unauthorized("x"), "authentication_error"),
        (Unavailable("x"), "overloaded_error"),
        (UpstreamTimeout("x"), "timeout_error"),
        (WorkerLost("x"), "api_error"),
    ],
)
def test_an_error_in_a_stream_has_the_type_of_its_code(error: RequestError, kind: str) -> None:
    told = failure(error.envelope("req-1")["error"], "req-1")
    assert strictly(ErrorResponse, told).error.type == kind
    assert told["error"]["details"]["error_code"] == error.code


@pytest.mark.parametrize("kind", ["invalid_request_error", "rate_limit_error"])
def test_what_both_apis_call_alike_keeps_its_name(kind: str) -> None:
    assert failure({"type": kind, "message": "x"}, "r")["error"]["type"] == kind


def test_an_error_that_says_nothing_has_a_message_all_the_same() -> None:
    told = failure({"type": ["odd"], "code": {}}, "r")
    assert told["error"] == {"type": "api_error", "message": "api_error"}


def test_a_refusal_without_a_code_or_a_field_has_no_details() -> None:
    told = json.loads(refusal(418, b'{"error":{"message":"no","code":null}}', "r"))
    assert told == {
        "type": "error",
        "error": {"type": "invalid_request_error", "message": "no"},
        "request_id": "r",
    }
