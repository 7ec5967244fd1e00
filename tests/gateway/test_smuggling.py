"""Requests that two programs may read differently: this one refuses them, or reads just one."""

from __future__ import annotations

import asyncio
import re

from tests.fakes.upstream import says, upstream, whole
from tests.gateway.conftest import Served, gateway, view

BODY = b'{"model":"m"}'
HOST = b"host: localhost"
LENGTH = b"content-length: %d" % len(BODY)
CHUNKED = b"transfer-encoding: chunked"
PATH = b"/v1/chat/completions"


def chat(*lines: bytes, body: bytes = BODY, target: bytes = PATH) -> bytes:
    return b"\r\n".join([b"POST " + target + b" HTTP/1.1", *lines, b"", body])


HIDDEN = chat(HOST, LENGTH)
"""A whole request, in what may be the body of another."""
REFUSED = [
    chat(HOST, LENGTH, CHUNKED, body=b"0\r\n\r\n" + HIDDEN),
    chat(HOST, CHUNKED, LENGTH, body=b"0\r\n\r\n" + HIDDEN),
    chat(HOST, LENGTH, b"content-length: 0", body=BODY + HIDDEN),
    chat(HOST, LENGTH, LENGTH, body=BODY + HIDDEN),
    chat(HOST, b"content-length: -1", body=HIDDEN),
    chat(HOST, b"content-length: +13", body=HIDDEN),
    chat(HOST, b"content-length: 13, 13", body=HIDDEN),
    chat(HOST, b"content-length: 0x0d", body=HIDDEN),
    chat(HOST, b"content-length : 13", body=HIDDEN),
    chat(HOST, b"content-length: 99999999999999999999", body=HIDDEN),
    chat(HOST, b"x: a\r\n folded: b", LENGTH),
    chat(HOST, b"transfer-encoding:\r\n chunked", LENGTH, body=b"0\r\n\r\n" + HIDDEN),
    chat(HOST, b"transfer-encoding: xchunked", body=b"0\r\n\r\n" + HIDDEN),
    chat(HOST, b"transfer-encoding: chunked, identity", body=b"0\r\n\r\n" + HIDDEN),
    chat(HOST, CHUNKED, body=b"-1\r\n\r\n" + HIDDEN),
    chat(HOST, CHUNKED, body=b"ffffffffffffffffff\r\n" + HIDDEN),
    chat(HOST, b"x: a\0b", LENGTH),
    chat(HOST, b"x: a\rb: c", LENGTH),
    chat(b"host: evil.example", LENGTH),
    chat(b"host: localhost/../admin", LENGTH),
    chat(b"host: a?b", LENGTH),
    chat(b"host:", LENGTH),
    chat(LENGTH),
]
READ_ONCE = [
    chat(HOST, LENGTH, target=b"http://localhost" + PATH),
    chat(HOST, LENGTH, target=b"http://evil.example" + PATH),
    chat(HOST, LENGTH, b"host: evil.example"),
    chat(HOST, LENGTH, target=b"http://evil.example" + PATH, body=HIDDEN[: len(BODY)]),
]
"""What HTTP lets a server refuse or serve, as long as it is one request."""


async def said_to(served: Served, raw: bytes) -> list[int]:
    """The statuses of all answers, until nothing more comes."""
    host, port = served.url.removeprefix("http://").split(":")
    reader, writer = await asyncio.open_connection(host, int(port))
    writer.write(raw)
    said = b""
    try:
        async with asyncio.timeout(1.0):
            while data := await reader.read(65_536):
                said += data
    except (TimeoutError, ConnectionError):
        pass
    writer.close()
    return [int(status) for status in re.findall(rb"HTTP/1\.1 (\d{3})", said)]


async def test_what_can_be_read_in_two_ways_reaches_no_worker() -> None:
    async with upstream(says(whole(b"{}"))) as worker, gateway(view(worker.url)) as served:
        told = await asyncio.gather(*(said_to(served, raw) for raw in REFUSED))
        wrong = {
            raw: statuses
            for raw, statuses in zip(REFUSED, told, strict=True)
            if len(statuses) != 1 or not (400 <= statuses[0] < 500 or statuses[0] == 501)
        }
        assert wrong == {}
        assert worker.received == []
        assert await said_to(served, HIDDEN) == [200]


async def test_a_target_or_a_host_too_many_makes_no_second_request() -> None:
    async with upstream(says(whole(b"{}"))) as worker, gateway(view(worker.url)) as served:
        for raw in READ_ONCE:
            worker.received.clear()
            [status] = await said_to(served, raw)
            assert status in (200, 400, 403), raw
            assert len(worker.received) == (status == 200), raw


async def test_pipelined_requests_are_answered_once_each() -> None:
    async with upstream(says(whole(b"{}"))) as worker, gateway(view(worker.url)) as served:
        assert await said_to(served, HIDDEN * 5) == [200] * 5
        assert len(worker.received) == 5
