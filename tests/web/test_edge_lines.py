"""What is on every answer, and what no client can put there."""

from __future__ import annotations

import re

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from pydantic import SecretStr

from server.core.errors import Overloaded
from server.core.settings import ServerSettings
from server.web.asgi import Header, Message, Receive, Scope, Send, read_body, send_json
from server.web.drain import Drain
from server.web.edge import Edge, internal_secret, known_host, request_id_of
from server.web.origins import Origins
from tests.web.http1.apps import piece, start
from tests.web.http1.talk import Server, bodies, settle
from tests.web.http1.taught import knows

OURS: tuple[Header, ...] = ((b"x-content-type-options", b"nosniff"), (b"x-ours", b"1"))
CHECKS = (known_host(ServerSettings(port=0)), internal_secret(SecretStr("s"), header_name="x-s"))


async def app(scope: Scope, receive: Receive, send: Send) -> None:
    path = scope["path"]
    if path == "/boom":
        raise RuntimeError("a detail")
    if path == "/full":
        raise Overloaded("full", retry_after_s=7)
    if path == "/body":
        await read_body(scope, receive, 2)
    if path == "/stream":
        await send(start())
        await send(piece(b"one", more=True))
        await send(piece(b""))
    elif path == "/empty":
        await send(start(204))
        await send(piece(b""))
    else:
        await send_json(send, {"id": request_id_of(scope)})


def edge(drain: Drain | None = None) -> Edge:
    return Edge(app, drain or Drain(), CHECKS, origins=Origins(["https://a.org"]), headers=OURS)


def ask(path: str, *lines: bytes, method: bytes = b"GET", body: bytes = b"") -> bytes:
    said = [b"%b %b HTTP/1.1" % (method, path.encode()), b"host: localhost", *lines]
    if body:
        said.append(b"content-length: %d" % len(body))
    return b"\r\n".join(said) + b"\r\n\r\n" + body


def lines_of(said: bytes) -> list[tuple[str, str]]:
    """Of the last head in it."""
    heads = re.findall(rb"HTTP/1\.1 [0-9]{3}[^\r]*\r\n((?:[^\r\n]+\r\n)*)\r\n", said)
    lines = heads[-1].decode("latin-1").split("\r\n")[:-1]
    return [(line.partition(": ")[0], line.partition(": ")[2]) for line in lines]


SECRET = b"x-s: s"
PAGE = b"origin: https://a.org"
PREFLIGHT = (PAGE, b"access-control-request-method: POST")
ANSWERS = {
    "whole": (ask("/", SECRET), 200),
    "stream": (ask("/stream", SECRET), 200),
    "no content": (ask("/empty", SECRET), 204),
    "head": (ask("/", SECRET, method=b"HEAD"), 200),
    "failure": (ask("/boom", SECRET), 500),
    "error": (ask("/full", SECRET), 429),
    "too large": (ask("/body", SECRET, body=b"abc"), 413),
    "no secret": (ask("/"), 401),
    "another host": (ask("/", SECRET).replace(b"localhost", b"evil.example"), 403),
    "another page": (ask("/", SECRET, b"origin: https://evil.example"), 403),
    "preflight": (ask("/", *PREFLIGHT, method=b"OPTIONS"), 204),
    "alive": (ask("/livez"), 200),
    "ready": (ask("/readyz"), 200),
}


@pytest.mark.parametrize(("request_", "status"), ANSWERS.values(), ids=ANSWERS.keys())
@pytest.mark.parametrize("is_draining", [False, True])
async def test_our_lines_are_on_every_answer_once(
    request_: bytes, status: int, is_draining: bool
) -> None:
    drain = Drain()
    server = Server(edge(drain))
    if is_draining:
        await drain.finish(patience_s=1)
    for number in range(4):  # from the third time on, its head is known
        client = server.connect()
        said = await client.say(request_)
        await client.leave()
        assert said.startswith(b"HTTP/1.1 %d " % status) or is_draining
        lines = lines_of(said)
        names = [name for name, _ in lines]
        assert len(set(names)) == len(names), number
        assert names.index("x-ours") > 0
        assert dict(lines)["x-content-type-options"] == "nosniff"
        is_health = request_.startswith((b"GET /livez", b"GET /readyz"))
        assert ("x-request-id" in names) != is_health
    assert drain.in_flight == 0


@pytest.mark.parametrize("path", ["/", "/stream", "/empty", "/boom", "/full"])
@pytest.mark.parametrize("secret", [SECRET, b"x-s: wrong"])
async def test_a_page_may_read_every_answer_and_nobody_else_hears_of_it(
    path: str, secret: bytes
) -> None:
    client = Server(edge()).connect()
    for _ in range(3):
        lines = dict(lines_of(await client.say(ask(path, secret, PAGE))))
        assert lines["access-control-allow-origin"] == "https://a.org"
        assert lines["vary"] == "origin"
        lines = dict(lines_of(await client.say(ask(path, secret))))
        assert "access-control-allow-origin" not in lines


async def test_each_request_has_an_id_of_its_own_however_often_its_head_is_said() -> None:
    server = Server(edge())
    client = server.connect()
    for _ in range(6):
        await client.say(ask("/", SECRET))
    assert knows(server, ask("/", SECRET))
    ids = re.findall(rb'{"id":"([^"]+)"}', client.said)
    assert len(set(ids)) == 6
    assert re.findall(rb"x-request-id: ([^\r]+)", client.said) == ids
    named = server.connect()
    for number in b"abab" * 2:
        await named.say(ask("/", SECRET, b"x-request-id: %c" % number))
    assert re.findall(rb"x-request-id: ([^\r]+)", named.said) == [b"a", b"b"] * 4


async def test_a_known_head_is_checked_each_time() -> None:
    server = Server(edge())
    good, bad = ask("/", SECRET), ask("/", b"x-s: t")
    elsewhere = good.replace(b"localhost", b"evil.example")
    for _ in range(4):
        client = server.connect()
        said = await client.say(good + bad + elsewhere + good)
        await settle()
        assert re.findall(rb"HTTP/1.1 ([0-9]+)", client.said) == [b"200", b"401", b"403", b"200"]
        assert said == client.said
    for request in (good, bad, elsewhere):
        assert len(bodies(await server.connect().say(request))) == 1


UNTRUSTED = [
    b"a\rx-evil: 1", b"a\nx-evil: 1", b"a\r\n x-evil: 1", b"a\x00b", b"a\x0bb", b"a\x85b",
    b"a\tb", b"a" * 129, b"\xe2\x80\xa8", b"http://localhost\tx", b"http://local\thost",
    b"http://localhost/\xff", b"http://localhost/ x-evil: 1", b"http://[::1]\tq", b"null",
    b"http://localhost\r\n x-evil: 1", b"http://localhost/%0d%0ax-evil: 1",
]  # fmt: skip
SHOWN = {
    "content-type", "x-request-id", "x-content-type-options", "x-ours", "content-length", "vary",
    "access-control-allow-origin", "access-control-expose-headers", "connection",
    "access-control-allow-methods", "access-control-allow-headers", "access-control-max-age",
}  # fmt: skip
untrusted = st.one_of(
    st.sampled_from(UNTRUSTED),
    st.binary(max_size=30),
    st.binary(max_size=9).map(lambda raw: b"http://localhost" + raw),
)


@settings(max_examples=300, deadline=None)
@given(name=untrusted, origin=untrusted, wanted=untrusted, is_preflight=st.booleans())
@example(name=b"a\r\nx-evil: 1", origin=b"https://a.org", wanted=b"", is_preflight=True)
async def test_nothing_that_a_client_says_becomes_a_line_of_its_answer(
    name: bytes, origin: bytes, wanted: bytes, is_preflight: bool
) -> None:
    more = [b"access-control-request-method: POST", b"access-control-request-headers: " + wanted]
    request = ask(
        "/",
        SECRET,
        b"x-request-id: " + name,
        b"origin: " + origin,
        *(more if is_preflight else []),
        method=b"OPTIONS" if is_preflight else b"GET",
    )
    server = Server(edge())
    for _ in range(3):
        said = await server.connect().say(request)
        assert not said.startswith(b"HTTP/1.1 5")
        if not said:  # its head has no end
            continue
        for line_name, value in lines_of(said):
            assert line_name in SHOWN
            assert not set(value) & {*map(chr, range(32)), "\x7f"} - {"\t"}
            if line_name == "x-request-id":
                assert re.fullmatch(r"[A-Za-z0-9._-]{1,128}", value)


@pytest.mark.parametrize("path", ["/", "/livez", "/readyz", "/uncounted"])
async def test_on_another_server_it_says_what_is_wrong(path: str) -> None:
    sent: list[Message] = []

    async def send(message: Message) -> None:
        sent.append(message)

    async def receive() -> Message:
        return {"type": "http.disconnect"}

    drain = Drain()
    outer = Edge(app, drain, uncounted=frozenset({"/uncounted"}))
    scope: Scope = {"type": "http", "method": "GET", "path": path, "headers": [], "state": {}}
    with pytest.raises(RuntimeError, match="our own HTTP server"):
        await outer(scope, receive, send)
    assert (sent, drain.in_flight) == ([], 0)


async def test_what_is_no_request_passes_through() -> None:
    seen: list[str] = []

    async def inner(scope: Scope, receive: Receive, send: Send) -> None:
        seen.append(scope["type"])

    async def nobody() -> Message:
        raise AssertionError

    async def nothing(message: Message) -> None:
        raise AssertionError

    await Edge(inner, Drain())({"type": "lifespan"}, nobody, nothing)
    assert seen == ["lifespan"]


def test_lines_that_are_no_headers_are_refused_at_once() -> None:
    with pytest.raises(RuntimeError):
        Edge(app, Drain(), headers=((b"x", b"a\r\ny: b"),))
