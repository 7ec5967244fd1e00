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
    assert failure_of_status("acme", status, b'{"error": {"message": "no"}}', None) is None


NGINX = b"""<html>\r
<head><title>413 Request Entity Too Large</title></head>\r
<body><center><h1>413 Request Entity Too Large</h1></center><hr>nginx</body></html>"""


@pytest.mark.parametrize(
    ("status", "body", "told", "words"),
    [
        (413, NGINX, 413, "acme refused the request (413): 413 Request Entity Too Large."),
        (400, b"No such\n  path.", 400, "acme refused the request (400): No such path."),
        (404, b"", 404, "acme refused the request (404)."),
        (422, b'["nothing", "to read"]', 422, "acme refused the request (422)."),
        (400, b'"a &amp; b"', 400, "acme refused the request (400): a &amp; b."),
        (415, b"<p>no&nbsp;<b>JSON</b>", 415, "acme refused the request (415): no JSON."),
        (418, b"teapot", 400, "acme refused the request (418): teapot."),
        (429, b"Slow down!", 429, "acme says that its limit is reached: Slow down."),
        (429, b'{"error": "slow down"}', 429, "acme says that its limit is reached: slow down."),
    ],
)
def test_a_refusal_that_is_no_json_keeps_its_status(
    status: int, body: bytes, told: int, words: str
) -> None:
    error = failure_of_status("acme", status, body, None)
    assert error is not None
    assert error.code in ("provider_rejected", "provider_rate_limit")
    assert (error.status, error.message) == (told, f"The provider {words}")


@pytest.mark.parametrize("body", [b"<" * 100_000, b"<title>" * 20_000, b"x" * 100_000, b"\xff"])
def test_a_long_or_broken_page_is_told_in_one_short_line(body: bytes) -> None:
    error = failure_of_status("acme", 400, body, None)
    assert error is not None
    assert len(error.message) < 400
    assert "\n" not in error.message


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
