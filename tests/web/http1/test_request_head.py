from __future__ import annotations

import pytest

from server.web.http1.refusals import Refusal
from server.web.http1.request_head import Asked, is_host, look, split_target, without_upgrade

HOST = (b"host", b"a")


@pytest.mark.parametrize(
    "host",
    [b"a", b"localhost:8000", b"127.0.0.1", b"[::1]", b"[fd00::5]:80", b"A_b.example-x.", b"a:"],
)
def test_hosts_are_names_and_addresses_with_or_without_a_port(host: bytes) -> None:
    assert is_host(host)


@pytest.mark.parametrize(
    "host",
    [b"", b"x/../admin", b"a?b", b"a#b", b"a b", b"u@h", b"a:b", b"a:123456", b"[::1", b"a\\b",
     b"::1", b"a:1:2", b"\xc3\xa4", b"a\n"],
)  # fmt: skip
def test_what_could_be_taken_for_more_than_a_host_is_none(host: bytes) -> None:
    assert not is_host(host)


@pytest.mark.parametrize(
    ("target", "expected"),
    [
        (b"/", ("/", b"/", b"")),
        (b"/a%20b/%C3%A4?x=%20", ("/a b/ä", b"/a%20b/%C3%A4", b"x=%20")),
        (b"//evil/x", ("//evil/x", b"//evil/x", b"")),
        (b"/a?b?c", ("/a", b"/a", b"b?c")),
        (b"/%2e%2e/%ff", ("/../�", b"/%2e%2e/%ff", b"")),
    ],
)
def test_a_target_is_a_path_and_a_query(target: bytes, expected: tuple[str, bytes, bytes]) -> None:
    assert split_target(target, "GET") == expected


def test_a_star_is_for_options() -> None:
    assert split_target(b"*", "OPTIONS") == ("*", b"*", b"")
    with pytest.raises(Refusal):
        split_target(b"*", "GET")


@pytest.mark.parametrize("target", [b"", b"http://a/", b"a:443", b"?x", b"/a#b", b"/a?b#c"])
def test_what_is_no_path_of_this_server_is_refused(target: bytes) -> None:
    with pytest.raises(Refusal):
        split_target(target, "GET")


@pytest.mark.parametrize(
    ("headers", "version"),
    [
        ([], "1.1"),
        ([HOST, HOST], "1.1"),
        ([HOST, HOST], "1.0"),
        ([(b"host", b"")], "1.1"),
        ([(b"host", b"")], "1.0"),
        ([HOST], "2.0"),
        ([HOST], "0.9"),
        ([HOST, (b"transfer-encoding", b"gzip, chunked")], "1.1"),
        ([HOST, (b"transfer-encoding", b"chunked")], "1.0"),
    ],
)
def test_heads_that_no_application_may_see(
    headers: list[tuple[bytes, bytes]], version: str
) -> None:
    with pytest.raises(Refusal):
        look(headers, version)


def test_what_a_head_asks_of_the_server() -> None:
    assert look([HOST, (b"accept", b"*/*")], "1.1") == Asked()
    assert look([], "1.0") == Asked()
    headers = [
        HOST,
        (b"expect", b"100-Continue"),
        (b"transfer-encoding", b"Chunked"),
        (b"upgrade", b"h2c"),
    ]
    assert look(headers, "1.1") == Asked(expects=True, chunked=True, upgrade=b"h2c")
    assert not look([HOST, (b"expect", b"100-continue")], "1.0").expects


def test_a_head_without_its_wish_to_upgrade() -> None:
    headers = [HOST, (b"upgrade", b"h2c"), (b"x", b"y")]
    assert without_upgrade("POST", b"/p", "1.1", headers) == (
        b"POST /p HTTP/1.1\r\nhost: a\r\nx: y\r\n\r\n"
    )
