"""Streamed questions to a worker, and what was seen of their answers."""

from __future__ import annotations

import asyncio
import re
from collections import Counter
from dataclasses import dataclass, field
from typing import Any, Final

import orjson
from pydantic import SecretStr

from server.clients.http import HTTPClient
from server.clients.origin import Origin
from server.core.errors import TransportError
from server.core.sse import DONE, EventSplitter
from server.wire.fleet import SECRET_HEADER
from server.wire.lanes import PRIORITY_HEADER, Lane

_PIECE = re.compile(rb'"content":"[^"]')
_PATH = b"/v1/chat/completions"

Body = dict[str, Any]


@dataclass(slots=True)
class Seen:
    """Of all requests of one kind. Milliseconds."""

    firsts_ms: list[float] = field(default_factory=list)
    """From the question to the first words; one that was cut before them counts with its age."""
    gaps_ms: list[float] = field(default_factory=list)
    """Between the pieces of an answer."""
    pieces: int = 0
    """Nearly each token is one."""
    whole: int = 0
    errors: Counter[str] = field(default_factory=Counter)


class Asker:
    """Has one connection for each request under way, kept for the next one."""

    def __init__(self, url: str, secret: SecretStr, model: str) -> None:
        self._http = HTTPClient()
        self._origin = Origin.parse(url)
        self._secret = secret.get_secret_value().encode()
        self._model = model

    async def ask(self, lane: Lane, fields: Body, seen: Seen) -> None:
        """One answer to its end; to be cancelled is to hang up."""
        body = orjson.dumps({"model": self._model, "stream": True, **fields})
        headers = (
            (b"content-type", b"application/json"),
            (SECRET_HEADER.encode(), self._secret),
            (PRIORITY_HEADER.encode(), lane.encode()),
        )
        answer = _Answer(seen)
        try:
            async with self._http.request(self._origin, _PATH, body, headers) as upstream:
                if upstream.status != 200:
                    seen.errors[f"status {upstream.status}"] += 1
                    return
                while chunk := await upstream.chunk():
                    answer.hear(chunk)
                answer.end()
        except TransportError as error:
            seen.errors[type(error).__name__] += 1
        finally:
            answer.leave()

    async def stats(self) -> dict[str, Any]:
        """What the worker says of itself."""
        headers = ((SECRET_HEADER.encode(), self._secret),)
        request = self._http.request(self._origin, b"/worker/stats", b"", headers, method=b"GET")
        parts = []
        async with request as upstream:
            while chunk := await upstream.chunk():
                parts.append(chunk)
        stats: dict[str, Any] = orjson.loads(b"".join(parts))
        return stats

    def close(self) -> None:
        self._http.close()


class _Answer:
    def __init__(self, seen: Seen) -> None:
        self._seen = seen
        self._events = EventSplitter()
        self._now = asyncio.get_running_loop().time
        self._asked: Final = self._now()
        self._last = 0.0
        self._tail = b""

    def hear(self, chunk: bytes) -> None:
        events = self._events.feed(chunk)
        self._tail = (self._tail + events)[-len(DONE) :]
        pieces = len(_PIECE.findall(events))
        if not pieces:
            return
        now = self._now()
        if self._last:
            self._seen.gaps_ms.append((now - self._last) * 1000)
        else:
            self._seen.firsts_ms.append((now - self._asked) * 1000)
        self._last = now
        self._seen.pieces += pieces

    def end(self) -> None:
        if self._tail == DONE:
            self._seen.whole += 1
        else:
            self._seen.errors["no end mark"] += 1

    def leave(self) -> None:
        if not self._last:
            self._seen.firsts_ms.append((self._now() - self._asked) * 1000)
