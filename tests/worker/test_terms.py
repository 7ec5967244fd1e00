from __future__ import annotations

import pytest

from server.core.errors import BadRequest, UpstreamTimeout
from server.core.limits import WHOLE_REQUEST_S
from server.worker.terms import Terms, terms_of


def of(**headers: bytes) -> Terms:
    pairs = [(name.replace("_", "-").encode(), value) for name, value in headers.items()]
    return terms_of({"headers": pairs})


def test_without_headers_it_is_a_normal_request_of_a_stranger() -> None:
    assert of() == Terms("", "normal", WHOLE_REQUEST_S, "")


def test_the_headers_say_from_whom_how_urgent_how_long_and_whose_it_is() -> None:
    terms = of(
        x_shortline_gateway=b"gw_1",
        x_priority=b"batch",
        x_shortline_deadline_ms=b"1500",
        x_shortline_customer=b"key_1",
    )
    assert terms == Terms("gw_1", "batch", 1.5, "key_1")


@pytest.mark.parametrize("word", [b"600001", b"9" * 4000])
def test_no_deadline_is_later_than_the_promised_one(word: bytes) -> None:
    assert of(x_shortline_deadline_ms=word).whole_s == WHOLE_REQUEST_S


@pytest.mark.parametrize("word", [b"0", b"-7"])
def test_a_deadline_that_has_passed_is_told_at_once(word: bytes) -> None:
    with pytest.raises(UpstreamTimeout):
        of(x_shortline_deadline_ms=word)


@pytest.mark.parametrize("word", [b"", b"soon", b"1.5", b"nan", b"9" * 5000])
def test_a_deadline_that_is_no_number_is_refused(word: bytes) -> None:
    with pytest.raises(BadRequest) as caught:
        of(x_shortline_deadline_ms=word)
    assert caught.value.code == "invalid_deadline"
