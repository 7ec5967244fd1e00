"""Heads that are not read again: which, and that nobody can tell."""

from __future__ import annotations

import pytest

from server.web.asgi import Receive, Scope, Send, header
from server.web.http1.heads import END, MAX_HEAD_BYTES, Head, Heads
from tests.web.http1.apps import echo, piece, says, start
from tests.web.http1.talk import CHUNKED, GET, POST, Server, bodies, echoed, sized
from tests.web.http1.taught import forgetful, is_over, knows, taught

BODY = b"hello, world"
HEAD_OF_POST = sized(BODY)[: -len(BODY)]
WHOLE = says(start(), piece(b"ok"))


async def test_a_head_is_known_once_it_was_said_twice() -> None:
    server = Server(echo)
    for times in range(1, 4):
        (said,) = echoed(await server.connect().say(sized(BODY)))
        assert said["body"] == BODY.decode()
        assert knows(server, sized(BODY)) == (times > 1)
    assert not knows(server, sized(b"another length"))


@pytest.mark.parametrize(
    "parts",
    [
        [HEAD_OF_POST + BODY],
        [HEAD_OF_POST, BODY],
        [HEAD_OF_POST[:20], HEAD_OF_POST[20:] + BODY],
        [HEAD_OF_POST[:-1], HEAD_OF_POST[-1:] + BODY],
        [HEAD_OF_POST[:-1], HEAD_OF_POST[-1:], BODY],
        [HEAD_OF_POST + BODY[:5], BODY[5:]],
        [HEAD_OF_POST + BODY[:-1], BODY[-1:]],
        [HEAD_OF_POST, *(BODY[at : at + 1] for at in range(len(BODY)))],
        [bytes([byte]) for byte in HEAD_OF_POST + BODY],
        [HEAD_OF_POST + BODY[:5], BODY[5:] + HEAD_OF_POST + BODY],
        [HEAD_OF_POST + BODY[:5], BODY[5:] + HEAD_OF_POST[:9], HEAD_OF_POST[9:] + BODY],
        [(HEAD_OF_POST + BODY) * 4],
        [(HEAD_OF_POST + BODY) * 2 + HEAD_OF_POST, BODY],
        [GET + HEAD_OF_POST, BODY + GET],
        [GET + HEAD_OF_POST + BODY + GET[:7], GET[7:]],
        [b"\r\n", GET, b"\r\n" + HEAD_OF_POST + BODY + b"\r\n", b"\r\n", GET],
        [sized(b"?" + BODY) + HEAD_OF_POST + BODY],
        [CHUNKED + b"1\r\nx\r\n0\r\n\r\n", HEAD_OF_POST + BODY[:3], BODY[3:] + CHUNKED + END],
    ],
)
async def test_the_answers_are_the_same_wherever_a_known_request_is_split(
    parts: list[bytes],
) -> None:
    server = await taught(GET, sized(BODY))
    assert knows(server, GET) and knows(server, HEAD_OF_POST)
    said = await server.connect().say(*parts)
    assert said.count(b"HTTP/1.1 200 OK") >= 1
    assert said == await forgetful().connect().say(*parts)


async def test_behind_a_known_head_comes_whatever_comes() -> None:
    server = await taught(sized(BODY))
    client = server.connect()
    others = [b"HELLO, WORLD", b"GET / HTTP/1", b"\r\n\r\n" * 3, bytes(12), b"0\r\n\r\n0\r\n\r\n00"]
    for count, body in enumerate(others, 1):
        said = echoed(await client.say(HEAD_OF_POST + body))
        assert (len(said), said[-1]["body"].encode("latin-1")) == (count, body)
    assert server.service.unread_bytes == 0


async def test_a_known_head_without_a_body_has_none() -> None:
    head = GET.replace(b"GET", b"HEAD")
    server = await taught(GET, head, POST + b"content-length: 0\r\n\r\n")
    client = server.connect()
    said = await client.say(head)
    assert said.endswith(END) and said.count(END) == 1
    told = echoed((await client.say(GET + POST + b"content-length: 0\r\n\r\n"))[len(said) :])
    assert [(one["method"], one["body"]) for one in told] == [("GET", ""), ("POST", "")]


H2C = b"connection: upgrade, http2-settings\r\nupgrade: h2c\r\nhttp2-settings: x\r\n\r\n"
LONG = b"GET / HTTP/1.1\r\nhost: a\r\nx: %b\r\n\r\n"
LONGEST = LONG % (b"y" * (MAX_HEAD_BYTES - len(LONG % b"")))
NEVER = {
    "bare LF in front": b"\n" + GET,
    "bare LF": b"GET / HTTP/1.1\nhost: a\r\n\r\n",
    "bare LF at the end": b"GET / HTTP/1.1\r\nhost: a\r\n\n",
    "two heads of bare LF": b"GET / HTTP/1.1\nhost: a\n\nGET /b HTTP/1.1\r\nhost: a\r\n\r\n",
    "bare CR": b"GET / HTTP/1.1\r\nhost: a\rx: y\r\n\r\n",
    "bare CR in front": b"\r" + GET,
    "an empty line in front": b"\r\n" + GET,
    "two empty lines in front": b"\r\n\r\n" + GET,
    "three empty lines in front": b"\r\n\r\n\r\n" + GET,
    "a folded line": b"GET / HTTP/1.1\r\nhost: a\r\nx: y\r\n z\r\n\r\n",
    "a folded length": POST + b"content-length:\r\n 2\r\n\r\nab",
    "chunked": CHUNKED + b"1\r\nx\r\n0\r\n\r\n",
    "chunked and a length": POST + b"transfer-encoding: chunked\r\ncontent-length: 2\r\n\r\nab",
    "another coding": POST + b"transfer-encoding: gzip\r\n\r\n",
    "two lengths": POST + b"content-length: 1\r\ncontent-length: 2\r\n\r\nab",
    "the same length twice": POST + b"content-length: 2\r\ncontent-length: 2\r\n\r\nab",
    "a length that is no number": POST + b"content-length: +2\r\n\r\nab",
    "an empty length": POST + b"content-length: \r\n\r\n",
    "expect": POST + b"content-length: 2\r\nexpect: 100-continue\r\n\r\nab",
    "upgrade": POST + b"content-length: 2\r\n" + H2C + b"ab",
    "upgrade alone": POST + b"content-length: 2\r\nupgrade: h2c\r\n\r\nab",
    "close": b"GET / HTTP/1.1\r\nhost: a\r\nconnection: close\r\n\r\n",
    "close among others": b"GET / HTTP/1.1\r\nhost: a\r\nConnection: x, Close\r\n\r\n",
    "HTTP/1.0": b"GET / HTTP/1.0\r\nhost: a\r\n\r\n",
    "HTTP/1.0, kept": b"GET / HTTP/1.0\r\nhost: a\r\nconnection: keep-alive\r\n\r\n",
    "HTTP/1.2": b"GET / HTTP/1.2\r\nhost: a\r\n\r\n",
    "HTTP/2": b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
    "HTTP/0.9": b"GET /\r\n\r\n",
    "connect": b"CONNECT a:80 HTTP/1.1\r\nhost: a\r\n\r\n",
    "no host": b"GET / HTTP/1.1\r\nx: y\r\n\r\n",
    "two hosts": b"GET / HTTP/1.1\r\nhost: a\r\nhost: a\r\n\r\n",
    "a bad host": b"GET / HTTP/1.1\r\nhost: a/b\r\n\r\n",
    "a whole URL": b"GET http://a/ HTTP/1.1\r\nhost: a\r\n\r\n",
    "a space before the colon": POST + b"content-length : 2\r\n\r\nab",
    "long": LONGEST.replace(b"y", b"yy", 1),
}


@pytest.mark.parametrize("request_", NEVER.values(), ids=NEVER.keys())
async def test_what_is_no_plain_head_is_read_each_time(request_: bytes) -> None:
    server = await taught(GET, sized(BODY), request_)
    end = request_.find(END) + len(END)
    assert not knows(server, request_) or request_[:end] in (GET, sized(BODY))
    anew = forgetful()
    for parts in ([request_], [request_, GET], [request_ + GET], [GET + request_, GET]):
        client, other = server.connect(), anew.connect()
        assert await client.say(*parts) == await other.say(*parts)
        assert is_over(client) == is_over(other)


async def test_the_longest_head_that_is_known() -> None:
    assert len(LONGEST) == MAX_HEAD_BYTES
    server = await taught(LONGEST)
    assert knows(server, LONGEST)
    assert len(bodies(await server.connect().say(LONGEST + GET))) == 2


async def test_empty_lines_are_never_taken_for_a_request_of_somebody_else() -> None:
    secret = b"POST /mine HTTP/1.1\r\nhost: a\r\nauthorization: mine\r\n\r\n"
    server = await taught(b"\r\n\r\n" + secret, b"\r\n\r\n\r\n" + secret)
    for parts in ([b"\r\n\r\n", secret[:40], secret[40:-2], secret[-2:]],) * 3:
        await server.connect().say(*parts)
    client = server.connect()
    assert await client.say(b"\r\n\r\n") == b""
    (said,) = echoed(await client.say(GET))
    assert said["path"] == "/"


def test_only_so_many_heads_are_kept() -> None:
    heads = Heads()
    texts = [b"GET /%d HTTP/1.1\r\nhost: a\r\n\r\n" % number for number in range(20_000)]
    for text in texts:
        heads.keep(text, Head({}, len(text), len(text)))
        heads.keep(text, Head({}, len(text), len(text)))
    assert heads.find(texts[-1])
    assert 0 < sum(heads.find(text) is not None for text in texts) <= 512


async def test_who_never_says_the_same_head_twice_forgets_no_other() -> None:
    server = await taught(GET)
    client = server.connect()
    for number in range(600):
        await client.say(b"GET /%d HTTP/1.1\r\nhost: a\r\n\r\n" % number)
    assert knows(server, GET)


async def test_what_an_application_does_to_its_scope_stays_there() -> None:
    seen: list[Scope] = []

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        seen.append(dict(scope) | {"state": dict(scope["state"])})
        assert header(scope, b"host") == b"a"
        scope["path"] = "/changed"
        scope["method"] = "PUT"
        scope["mark"] = True
        scope["state"]["user"] = "somebody"
        scope["headers"] = []
        await WHOLE(scope, receive, send)

    server = Server(app, app_state={"db": 1})
    for _ in range(5):
        await server.connect().say(GET + GET)
    assert len(seen) == 10 and knows(server, GET)
    assert all(scope == seen[0] for scope in seen)
    assert seen[0]["state"] == {"db": 1} and "mark" not in seen[0]
    assert server.app_state == {"db": 1}


async def test_what_follows_from_the_headers_is_shared_and_nothing_else_is() -> None:
    scopes: list[Scope] = []

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        scopes.append(scope)
        await WHOLE(scope, receive, send)

    server = Server(app)
    for _ in range(4):
        await server.connect().say(GET)
    first, last = scopes[-2:]
    assert first is not last
    assert first["state"] is not last["state"]
    assert first["headers"] is last["headers"]
    with pytest.raises(TypeError):
        first["headers"][0] = (b"host", b"b")
