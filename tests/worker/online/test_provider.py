from __future__ import annotations

import pytest
from pydantic import SecretStr

from server.core.errors import BadAnswer, ConnectFailed, CutOff, UpstreamFailed
from server.worker.online.provider import (
    Redactor,
    check_whole,
    failure_of_status,
    failure_of_transport,
)


@pytest.mark.parametrize(
    ("status", "code"),
    [
        (401, "provider_refused"),
        (403, "provider_refused"),
        (429, "provider_rate_limit"),
        (500, "upstream_failed"),
        (503, "upstream_failed"),
        (529, "upstream_failed"),
        (302, "provider_redirect"),
    ],
)
def test_a_providers_failure_is_typed_and_names_it(status: int, code: str) -> None:
    error = failure_of_status("acme", status, b"", None)
    assert error is not None
    assert error.code == code
    assert "acme" in error.message


@pytest.mark.parametrize("status", [200, 400, 404, 422])
def test_what_is_about_the_request_passes_unchanged(status: int) -> None:
    assert failure_of_status("acme", status, b"", None) is None


@pytest.mark.parametrize(
    ("header", "seconds"),
    [(b"7", 7), (b"999999", 3600), (b"-5", None), (b"abc", None), (b"Wed, 21 Oct", None)],
)
def test_retry_after_is_passed_on_when_it_makes_sense(header: bytes, seconds: float | None) -> None:
    error = failure_of_status("acme", 429, b'{"error":{"message":"slow down."}}', header)
    assert error is not None
    assert error.retry_after_s == seconds
    assert "slow down" in error.message


def test_each_way_to_fail_on_the_wire_has_its_words() -> None:
    told = [
        failure_of_transport("acme", error).message
        for error in (ConnectFailed("refused"), CutOff("x"), BadAnswer("not HTTP"))
    ]
    assert told == [
        "The provider acme cannot be reached: refused.",
        "The provider acme hung up before it answered.",
        "The provider acme sent a bad answer: not HTTP.",
    ]


def test_the_key_is_removed_wherever_it_stands() -> None:
    redact = Redactor(SecretStr("sk-canary"))
    assert redact(b"bad key sk-canary!") == b"bad key [redacted]!"
    assert Redactor(None)(b"as it is") == b"as it is"


@pytest.mark.parametrize("body", [b"<html>", b"", b"[]", b'"x"', b"{"])
def test_a_200_that_is_no_object_is_no_answer(body: bytes) -> None:
    with pytest.raises(UpstreamFailed, match="acme"):
        check_whole("acme", body)
