"""Rude connections, on raw sockets."""

from __future__ import annotations

import asyncio
import json

import psutil
import pytest

from server.web import asgi, guard
from server.web.asgi import Receive, Scope, Send, read_body, send_json
from server.web.drain import Drain
from server.web.edge import Edge
from tests.fakes.live_server import live_server
from tests.fakes.waiting import until


async def app(scope: Scope, receive: Receive, send: Send) -> None:
    await read_body(scope, receive, 1000, idle_s=0.2)
    await send_json(send, {"ok": True})


async def talk(*parts: bytes, limit_s: float = 3.0) -> bytes:
    """Send the parts, and everything the server says until it hangs up."""
    async with live_server(Edge(app, Drain())) as url:
        host, port = url.removeprefix("http://").split(":")
        reader, writer = await asyncio.open_connection(host, int(port))
        for part in parts:
            writer.write(part)
        async with asyncio.timeout(limit_s):
            answer = await reader.read()
        writer.close()
        return answer


def error_code(answer: bytes) -> str:
    head, _, body = answer.partition(b"\r\n\r\n")
    assert b"content-type: application/json" in head.lower()
    code: str = json.loads(body)["error"]["code"]
    return code


@pytest.mark.parametrize("start", [b"", b"GET / HTTP/1.1\r\nhost: a\r\nx: y"])
async def test_a_connection_that_dawdles_over_its_head_is_closed(
    start: bytes, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(guard, "HEADERS_S", 0.2)
    answer = await talk(start)
    assert answer.startswith(b"HTTP/1.1 408")
    assert error_code(answer) == "request_timeout"


async def test_endless_headers_are_refused() -> None:
    answer = await talk(b"GET / HTTP/1.1\r\n" + b"x: " + b"a" * 100_000)
    assert answer.startswith(b"HTTP/1.1 431")
    assert error_code(answer) == "headers_too_large"


async def test_many_small_headers_are_refused() -> None:
    answer = await talk(b"GET / HTTP/1.1\r\n", b"x: y\r\n" * 6000)
    assert answer.startswith(b"HTTP/1.1 431")


@pytest.mark.parametrize(
    "nonsense",
    [
        b"hello\r\n\r\n",
        b"GET / HTTP/1.1\r\nhost: a\r\ncontent-length: -1\r\n\r\n",
        b"POST / HTTP/1.1\r\ncontent-length: 1\r\ntransfer-encoding: chunked\r\n\r\n0\r\n\r\n",
        b"POST / HTTP/1.1\r\nhost: a\r\ncontent-length: 1\r\ncontent-length: 2\r\n\r\nab",
    ],
)
async def test_what_is_not_http_is_told_so_in_json(nonsense: bytes) -> None:
    answer = await talk(nonsense)
    assert answer.startswith(b"HTTP/1.1 400")
    assert error_code(answer) == "invalid_http"


async def test_a_body_that_stops_is_given_up() -> None:
    answer = await talk(b"POST / HTTP/1.1\r\nhost: a\r\ncontent-length: 50\r\n\r\nhalf")
    assert answer.startswith(b"HTTP/1.1 408")
    assert error_code(answer) == "request_timeout"


async def test_a_body_that_drips_is_given_up_too(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(asgi, "BODY_S", 0.25)
    async with live_server(Edge(app, Drain())) as url:
        host, port = url.removeprefix("http://").split(":")
        reader, writer = await asyncio.open_connection(host, int(port))
        writer.write(b"POST / HTTP/1.1\r\nhost: a\r\ncontent-length: 50\r\n\r\n")
        for _ in range(3):  # each well within the idle time
            writer.write(b"x")
            await asyncio.sleep(0.1)
        async with asyncio.timeout(2):
            assert (await reader.read()).startswith(b"HTTP/1.1 408")
        writer.close()


async def test_a_large_body_is_told_why_before_the_connection_ends(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(guard, "LINGER_S", 0.2)
    head = b"POST / HTTP/1.1\r\nhost: a\r\ncontent-length: 5000000\r\n\r\n"
    answer = await talk(head, b"x" * 200_000)
    assert answer.startswith(b"HTTP/1.1 413")
    assert error_code(answer) == "request_too_large"


async def test_headers_in_small_pieces_and_a_reused_connection_are_fine() -> None:
    async with live_server(Edge(app, Drain())) as url:
        host, port = url.removeprefix("http://").split(":")
        reader, writer = await asyncio.open_connection(host, int(port))
        for _ in range(3):
            for byte in b"GET / HTTP/1.1\r\nhost: a\r\n\r\n":
                writer.write(bytes([byte]))
                await writer.drain()
            answer = await reader.readuntil(b"}")
            assert answer.startswith(b"HTTP/1.1 200")
        writer.close()


async def test_an_empty_line_on_a_kept_connection_does_not_keep_it_for_ever(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(guard, "HEADERS_S", 0.3)
    async with live_server(Edge(app, Drain())) as url:
        host, port = url.removeprefix("http://").split(":")
        reader, writer = await asyncio.open_connection(host, int(port))
        writer.write(b"GET / HTTP/1.1\r\nhost: a\r\n\r\n")
        await reader.readuntil(b"}")
        writer.write(b"\r\n")
        async with asyncio.timeout(2):
            assert (await reader.read()).startswith(b"HTTP/1.1 408")
        writer.close()


async def test_a_client_that_reads_nothing_is_cut_off(monkeypatch: pytest.MonkeyPatch) -> None:
    async def flood(_scope: Scope, _receive: Receive, send: Send) -> None:
        await send({"type": "http.response.start", "status": 200, "headers": []})
        for _ in range(1000):
            await send({"type": "http.response.body", "body": b"x" * 65536, "more_body": True})

    monkeypatch.setattr(guard, "WRITE_STALL_S", 0.1)
    monkeypatch.setattr(guard, "_GRACE_S", 0.1)
    async with live_server(flood) as url:
        host, port = url.removeprefix("http://").split(":")
        _, writer = await asyncio.open_connection(host, int(port), limit=1024)
        writer.write(b"GET / HTTP/1.1\r\nhost: a\r\n\r\n")
        # A reset reaches this side only once it reads what the kernel holds, so look from outside.
        own = writer.get_extra_info("sockname")[1]
        await until(lambda: not _established(int(port), own), limit_s=3)
        writer.close()


def _established(server_port: int, client_port: int) -> bool:
    return any(
        c.status == psutil.CONN_ESTABLISHED
        and c.laddr.port == server_port
        and c.raddr.port == client_port
        for c in psutil.Process().net_connections("tcp")
        if c.raddr
    )
