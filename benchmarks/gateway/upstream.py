"""A fake OpenAI upstream that costs next to nothing: `python -m benchmarks.gateway.upstream`.

Every answer is made once and then sent from memory. It answers FastChat as a worker too. Serves
until its standard input ends.
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

from benchmarks.gateway import fastchat
from benchmarks.gateway.answers import MODEL, bursts, read_ask, whole_answer
from benchmarks.gateway.messages import Ask, Listening

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
        if self._url in _ASKED:
            self._play(script_for(self._url, self._body), 0, self._loop.time())
        else:
            self._transport.write(_FIXED.get(self._url, _NOT_FOUND))

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
def script_for(path: bytes, body: bytes) -> Script:
    ask = read_ask(body)
    if path == _CHAT:
        return _script(ask, bursts(ask)) if ask.stream else _at_once(whole_answer(ask))
    if path == fastchat.STREAM:
        return _script(ask, fastchat.bursts(ask))
    return _at_once(fastchat.whole_answer(ask))


def _at_once(answer: bytes) -> Script:
    return Script((_whole(answer),), 0.0)


def _script(ask: Ask, groups: list[bytes]) -> Script:
    pieces = [_chunk(group) for group in groups]
    pieces[0] = _STREAM_HEAD + pieces[0]
    pieces[-1] += b"0\r\n\r\n"
    return Script(tuple(pieces), ask.every_ms / 1000)


def _chunk(data: bytes) -> bytes:
    return b"%x\r\n%b\r\n" % (len(data), data)


def _whole(body: bytes, status: bytes = b"200 OK") -> bytes:
    head = b"HTTP/1.1 %b\r\ncontent-type: application/json\r\ncontent-length: %d\r\n\r\n"
    return head % (status, len(body)) + body


_STREAM_HEAD = (
    b"HTTP/1.1 200 OK\r\ncontent-type: text/event-stream; charset=utf-8\r\n"
    b"cache-control: no-cache\r\ntransfer-encoding: chunked\r\n\r\n"
)
_MODELS = orjson.dumps(
    {"object": "list", "data": [{"id": MODEL, "object": "model", "created": 0, "owned_by": "fake"}]}
)
_CHAT = b"/v1/chat/completions"
_ASKED = frozenset({_CHAT, fastchat.WHOLE, fastchat.STREAM})
_FIXED = {
    b"/v1/models": _whole(_MODELS),
    b"/health": _whole(b"{}"),  # the routers ask for it before they send anything
    **{path: _whole(body) for path, body in fastchat.FIXED.items()},
}
_NOT_FOUND = _whole(b'{"error":{"message":"?"}}', b"404 Not Found")


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
