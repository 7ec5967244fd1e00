"""An answer's stream, read off a socket of its own: to be cut at any byte, and taken up again."""

from __future__ import annotations

import json
import socket
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from math import inf
from types import MappingProxyType
from typing import Any
from urllib.parse import urlsplit
from uuid import uuid4

import h11

from server.wire.browser import MESSAGE_HEADER
from tests.system.launch import until

READ = 65_536
LIMIT_S = 30.0
Headers = Mapping[str, str]
NONE: Headers = MappingProxyType({})


@dataclass(frozen=True, slots=True)
class Frame:
    at: int
    name: str
    data: dict[str, Any]


class Frames:
    """Cuts bytes into frames; what is not whole is kept for the next read."""

    def __init__(self) -> None:
        self._rest = b""

    def feed(self, raw: bytes) -> Iterator[Frame]:
        *whole, self._rest = (self._rest + raw).split(b"\n\n")
        for block in whole:
            lines = (line.split(b": ", 1) for line in block.split(b"\n") if line[:1] != b":")
            fields = {line[0].decode(): line[1].decode() for line in lines}
            if fields:
                name = fields.get("event", "")
                yield Frame(int(fields.get("id", 0)), name, json.loads(fields["data"]))


class Wire:
    """One request and as much of its answer as is wanted."""

    def __init__(self, connection: socket.socket, http: h11.Connection) -> None:
        self._socket = connection
        self._http = http
        self.status = 0
        self.headers: dict[str, str] = {}

    def body(self, most: float = inf, piece: int = READ) -> Iterator[bytes]:
        """What comes, until the end or `most` bytes, head and framing counted; `piece`: at most
        so many of them at a time. Ends too when the server is lost."""
        while True:
            match self._http.next_event():
                case h11.NEED_DATA if most > 0:
                    try:
                        raw = self._socket.recv(int(min(most, piece)))
                    except ConnectionError:
                        return
                    if not raw:  # without the end that the server owes
                        return
                    self._http.receive_data(raw)
                    most -= len(raw)
                case h11.Response() as response:
                    self.status = response.status_code
                    self.headers = {k.decode(): v.decode() for k, v in response.headers}
                case h11.Data() as part:
                    yield bytes(part.data)
                case _:
                    return


@contextmanager
def asked(
    url: str,
    method: str,
    path: str,
    body: object = None,
    headers: Headers = NONE,
    unsent: int = 0,
) -> Iterator[Wire]:
    """The request is sent in the block, but for its last `unsent` bytes; after it nobody listens
    any more."""
    where, http = urlsplit(url), h11.Connection(h11.CLIENT)
    content = b"" if body is None else json.dumps(body).encode()
    lines = {
        "host": where.netloc,
        "content-type": "application/json",
        "content-length": str(len(content)),
        **headers,
    }
    request = h11.Request(method=method, target=path, headers=list(lines.items()))
    events = (request, h11.Data(data=content), h11.EndOfMessage())
    raw = b"".join(http.send(event) or b"" for event in events)
    address = (where.hostname or "", where.port or 80)
    with socket.create_connection(address, timeout=LIMIT_S) as connection:
        connection.sendall(raw[: len(raw) - unsent])
        yield Wire(connection, http)


class Listener:
    """One answer, followed over as many connections as it takes."""

    def __init__(
        self, url: str, query: str = "", *, message_id: str = "", **fields: object
    ) -> None:
        """Asks `query`, or follows a message that is there."""
        self.url = url
        self.body = {"query": query} | fields
        self.key = uuid4().hex
        self.message_id = message_id
        self.text = ""
        self.queue: list[dict[str, Any]] = []
        self.end: Frame | None = None

    def frames(self, most: float = inf, piece: int = READ) -> Iterator[Frame]:
        """Over one connection, which is cut after `most` bytes."""
        with self._connected() as wire:
            frames = Frames()
            for raw in wire.body(most, piece):
                for frame in frames.feed(raw):
                    self._take(frame)
                    yield frame
            self.message_id = self.message_id or wire.headers.get(MESSAGE_HEADER, "")
            assert wire.status in (0, 200), wire.status

    def listen(self, most: float = inf) -> None:
        for _ in self.frames(most):
            pass

    def ask_in_part(self, unsent: int) -> None:
        """The connection is lost before the whole question was sent."""
        key = {"idempotency-key": self.key}
        with asked(self.url, "POST", "/api/chat", self.body, key, unsent):
            pass

    def chars(self, count: int) -> Listener:
        """Until so many have come; then the connection is closed."""
        for _ in self.frames():
            if len(self.text) >= count:
                break
        return self

    def whole(self) -> Listener:
        """Come back until it has ended, also to a server that has to be started again."""

        def has_ended() -> bool:
            with suppress(ConnectionError):
                self.listen()
            return self.end is not None

        until(has_ended, LIMIT_S)
        return self

    @property
    def code(self) -> str:
        """How it ended: `done`, or the code of its error."""
        assert self.end is not None
        return "done" if self.end.name == "done" else str(self.end.data["code"])

    @contextmanager
    def _connected(self) -> Iterator[Wire]:
        if self.message_id:
            path, place = f"/api/chat/{self.message_id}/events", str(len(self.text))
            with asked(self.url, "GET", path, headers={"last-event-id": place}) as wire:
                yield wire
        else:
            key = {"idempotency-key": self.key}
            with asked(self.url, "POST", "/api/chat", self.body, key) as wire:
                yield wire

    def _take(self, frame: Frame) -> None:
        assert self.end is None, "there is something after the end"
        self.message_id = self.message_id or frame.data["message_id"]
        assert self.message_id == frame.data["message_id"]
        match frame.name:
            case "":
                self.text += frame.data["text"]
            case "queue":
                self.queue.append(frame.data)
            case "done" | "error":
                self.end = frame
            case other:
                raise AssertionError(other)
        # A server that was killed has forgotten the last moment of what it had said.
        assert frame.at == len(self.text) or frame.name == "error"
