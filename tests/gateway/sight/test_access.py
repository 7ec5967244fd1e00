from __future__ import annotations

import json
import logging

import pytest

from server.core.log import JsonLines
from server.gateway.sight.usage import Usage
from tests.gateway.sight.seen import CHAT, A, a_request, a_sight, refuse, serve


def lines(caplog: pytest.LogCaptureFixture) -> list[dict[str, object]]:
    form = JsonLines("openai_api")
    return [json.loads(form.format(record)) for record in caplog.records]


def test_each_request_is_one_line(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO)
    sight = a_sight(log_requests=True)
    serve(sight, usage=Usage(3, 4, "reported"), key_id="key-7")
    (line,) = lines(caplog)
    del line["time"]
    assert line == {
        "level": "info",
        "process": "openai_api",
        "message": "request",
        "request_id": "req-1",
        "path": CHAT,
        "model": "m",
        "lane": "normal",
        "stream": False,
        "outcome": "complete",
        "status": 200,
        "tries": 1,
        "whole_s": 0.0,
        "first_byte_s": 0.0,
        "key": "key-7",
        "address": A,
        "served_model": "m",
        "prompt_tokens": 3,
        "completion_tokens": 4,
        "tokens": "reported",
    }


def test_a_refused_one_has_its_code_and_no_worker(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO)
    sight = a_sight(log_requests=True)
    record = a_request(sight)
    record.ended("http_error", 429, "rate_limit_exceeded")
    sight.end(record)
    (line,) = lines(caplog)
    assert (line["code"], line["first_byte_s"]) == ("rate_limit_exceeded", None)
    assert "address" not in line


def test_nothing_is_said_unless_it_is_asked_for(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG)
    serve(a_sight())
    assert caplog.records == []


def test_what_a_client_wrote_stays_in_its_field(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO)
    serve(a_sight(log_requests=True), model='m"\n{"level":"error"}')
    (line,) = lines(caplog)
    assert line["level"] == "info"


def test_one_that_never_came_as_far_as_a_model_is_a_line_too(
    caplog: pytest.LogCaptureFixture,
) -> None:
    caplog.set_level(logging.INFO)
    refuse(a_sight(log_requests=True), 400, "invalid_request_error", field="model", key_id="key-7")
    refuse(a_sight())
    (line,) = lines(caplog)
    del line["time"]
    assert line == {
        "level": "info",
        "process": "openai_api",
        "message": "request",
        "request_id": "req-0",
        "method": "POST",
        "path": CHAT,
        "outcome": "http_error",
        "status": 400,
        "code": "invalid_request_error",
        "field": "model",
        "key": "key-7",
    }
