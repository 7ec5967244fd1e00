"""A fake OpenAI upstream that costs next to nothing: `python -m benchmarks.gateway.upstream`.

Every answer is made once and then sent from memory. Serves until its standard input ends.
"""

from __future__ import annotations

import argparse
import asyncio
import sys
from dataclasses import dataclass
from functools import lru_cache
from typing import cast

import httptools
import orjson
import uvloop

from benchmarks.gateway.answers import MODEL, bursts, read_ask, whole_answer
from benchmarks.gateway.messages import Listening

BACKLOG = 2048


@dataclass(frozen=True, slots=True)
class Script:
    """What to write, piece by piece."""

    pieces: tuple[bytes, ...]
    every_s: float


class Upstream(asyncio.Protocol):
    """One connection, one request at a time."""

    def __init__(self) -> None:
        self._loop = asyncio.get_running_loop()
        self._parser = httptools.HttpRequestParser(self)
        self._timer: asyncio.Handle | None = None
        self._url = b""
        self._body = b""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.Transport, transport)

    def connection_lost(self, exc: Exception | None) -> None:
        if self._timer is not None:
            self._timer.cancel()

    def data_received(self, data: bytes) -> None:
        try:
            self._parser.feed_data(data)
        except httptools.HttpParserError:
            self._transport.abort()

    def on_message_begin(self) -> None:
        self._body = b""

    def on_url(self, url: bytes) -> None:
        self._url = url

    def on_body(self, body: bytes) -> None:
        self._body += body

    def on_message_complete(self) -> None:
        if self._url.endswith(b"/models"):
            self._transport.write(_whole(_MODELS))
        elif self._url.endswith(b"/chat/completions"):
            self._play(script_for(self._body), 0, self._loop.time())
        else:
            self._transport.write(_whole(b'{"error":{"message":"?"}}', b"404 Not Found"))

    def _play(self, script: Script, number: int, begun_s: float) -> None:
        """Write a piece and plan the next; each at its own time, so that delays do not add up."""
        self._transport.write(script.pieces[number])
        number += 1
        if number == len(script.pieces):
            self._timer = None
        elif script.every_s:
            at_s = begun_s + number * script.every_s
            self._timer = self._loop.call_at(at_s, self._play, script, number, begun_s)
        else:
            self._timer = self._loop.call_soon(self._play, script, number, begun_s)


@lru_cache(maxsize=256)
def script_for(body: bytes) -> Script:
    ask = read_ask(body)
    if not ask.stream:
        return Script((_whole(whole_answer(ask)),), 0.0)
    pieces = [_chunk(burst) for burst in bursts(ask)]
    pieces[0] = _STREAM_HEAD + pieces[0]
    pieces[-1] += b"0\r\n\r\n"
    return Script(tuple(pieces), ask.every_ms / 1000)


_MODELS = orjson.dumps(
    {"object": "list", "data": [{"id": MODEL, "object": "model", "created": 0, "owned_by": "fake"}]}
)
_STREAM_HEAD = (
    b"HTTP/1.1 200 OK\r\ncontent-type: text/event-stream; charset=utf-8\r\n"
    b"cache-control: no-cache\r\ntransfer-encoding: chunked\r\n\r\n"
)


def _whole(body: bytes, status: bytes = b"200 OK") -> bytes:
    head = b"HTTP/1.1 %b\r\ncontent-type: application/json\r\ncontent-length: %d\r\n\r\n"
    return head % (status, len(body)) + body


def _chunk(data: bytes) -> bytes:
    return b"%x\r\n%b\r\n" % (len(data), data)


async def serve(port: int) -> None:
    loop = asyncio.get_running_loop()
    server = await loop.create_server(Upstream, "127.0.0.1", port, backlog=BACKLOG)
    host, port = server.sockets[0].getsockname()
    print(Listening(address=f"http://{host}:{port}").model_dump_json(), flush=True)
    await asyncio.to_thread(sys.stdin.read)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--port", type=int, default=0, help="0: a free one (default)")
    uvloop.run(serve(parser.parse_args().port))


if __name__ == "__main__":
    main()
