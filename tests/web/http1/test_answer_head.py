from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from server.web.http1 import answer_head
from server.web.http1.answer_head import NO_LENGTH, compose, lines_of


def test_a_head_is_a_status_line_and_one_line_for_each_header() -> None:
    head, length, closes = compose(404, [(b"Content-Type", b"text/plain"), (b"x-a", b"\xe9 b")])
    assert head == b"HTTP/1.1 404 Not Found\r\ncontent-type: text/plain\r\nx-a: \xe9 b"
    assert (length, closes) == (NO_LENGTH, False)


def test_a_status_without_a_name_has_an_empty_one() -> None:
    assert compose(299, [])[0] == b"HTTP/1.1 299 "


def test_the_length_is_read_and_kept() -> None:
    head, length, _ = compose(200, [(b"content-length", b"12")])
    assert length == 12
    assert head.endswith(b"\r\ncontent-length: 12")


def test_no_content_has_no_length_either() -> None:
    assert compose(204, [(b"content-length", b"0")])[0] == b"HTTP/1.1 204 No Content"


@pytest.mark.parametrize("value", [b"close", b"Close", b"x, close"])
def test_framing_and_connection_are_not_the_applications_to_say(value: bytes) -> None:
    head, _, closes = compose(200, [(b"transfer-encoding", b"chunked"), (b"Connection", value)])
    assert head == b"HTTP/1.1 200 OK"
    assert closes
    assert not compose(200, [(b"connection", b"keep-alive")])[2]


@pytest.mark.parametrize("value", [b"", b"-1", b"+1", b"1_0", b"1, 1", b"0x1"])
def test_a_length_that_is_no_number_is_refused(value: bytes) -> None:
    with pytest.raises(RuntimeError):
        compose(200, [(b"content-length", value)])


def test_a_second_length_is_refused() -> None:
    with pytest.raises(RuntimeError):
        compose(200, [(b"content-length", b"1"), (b"content-length", b"1")])


@pytest.mark.parametrize("status", [0, 99, 100, 101, 199, 600, -200])
def test_only_final_statuses_are_answers(status: int) -> None:
    with pytest.raises(RuntimeError):
        compose(status, [])


@pytest.mark.parametrize("name", [b"", b"a b", b"a:", b"a\r\nb", b"a\x00", b"\xc3\xa4"])
def test_what_is_no_header_name_is_refused(name: bytes) -> None:
    with pytest.raises(RuntimeError):
        compose(200, [(name, b"v")])


@given(st.lists(st.binary(max_size=20), max_size=5))
def test_no_value_can_begin_a_line_of_its_own(values: list[bytes]) -> None:
    headers = [(b"x-v", value) for value in values]
    controls = {*range(32), 127} - {9}
    if any(controls & set(value) for value in values):
        with pytest.raises(RuntimeError):
            compose(200, headers)
    else:
        head = compose(200, headers)[0]
        assert head.split(b"\r\n")[1:] == [b"x-v: " + value for value in values]


def test_more_names_than_are_remembered_are_fine() -> None:
    for number in range(2000):
        head = compose(200, [(f"x-{number}".encode(), b"v")])[0]
        assert head.endswith(f"\r\nx-{number}: v".encode())


SAID: list[Any] = [
    [],
    [(b"x-a", b"1")],
    [(b"x-a", b"1"), (b"x-b", b"2")],
    [(b"x-b", b"2"), (b"x-a", b"1")],
    [(b"x-a", b"1"), (b"connection", b"close")],
    [(b"x-a", b"1"), (b"content-length", b"3")],
    [(b"x-a", b"1\r\nx-b: 2")],
    [(b"x a", b"1")],
    [[b"x-a", b"1"]],
    [(b"x-a", bytearray(b"1"))],
    [(b"x-a", memoryview(b"1"))],
    [(b"x-%d" % number, b"v") for number in range(9)],
]


@pytest.mark.parametrize("said", SAID)
def test_a_head_that_is_remembered_is_the_one_that_would_be_made(said: Any) -> None:
    def outcome(headers: Any, always: Any, status: int) -> Any:
        try:
            return compose(status, headers, always)
        except RuntimeError as error:
            return str(error)

    for status in (200, 204, 404):
        for before in (0, 1):
            first = outcome(said[before:], said[:before], status)
            for headers in (said[before:], tuple(said[before:]), iter(said[before:])):
                assert outcome(headers, said[:before], status) == first
            answer_head._HEADS.clear()
            assert outcome(said, (), status) == first


def test_only_so_many_heads_are_remembered() -> None:
    for number in range(2000):
        name = (b"x-a", b"%d" % number)
        assert compose(200, [name])[0].endswith(b"\r\nx-a: %d" % number)
        assert compose(200, [name]) == compose(200, [name])
    assert 0 < len(answer_head._HEADS) <= 256


def test_lines_can_be_put_behind_any_head() -> None:
    assert lines_of([]) == b""
    assert lines_of([(b"X-A", b"1"), (b"x-b", b"2")]) == b"\r\nx-a: 1\r\nx-b: 2"
    with pytest.raises(RuntimeError):
        lines_of([(b"x-a", b"1\nx-b: 2")])
