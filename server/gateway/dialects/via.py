"""Another API's requests on their way through the relay: asked as an OpenAI chat, answered in
their own words.

    Messages | Responses > through > Relay.serve > Interpreter > the client

A dialect reads the body of its request, makes OpenAI's fields of it, and says in a `Telling` how
the answer is told. Keys, limits, lanes, retries and the journal are the relay's, as ever: to the
relay the `Interpreter` is the client, and a client that leaves is one that leaves the relay.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Iterable
from typing import Any, Final, Protocol

import orjson

from server.core.errors import BadAnswer, RequestError, UpstreamFailed
from server.core.sse import event_data
from server.gateway.dialects.names import AS_THEY_ARE, Names
from server.gateway.relay import Relay
from server.web.asgi import JSON, Header, Message, Receive, Scope, Send, Served, served_by
from server.web.edge import request_id_of

log = logging.getLogger(__name__)

CHAT: Final = "/v1/chat/completions"
_ODD: Final = (KeyError, TypeError, ValueError, AttributeError, IndexError)
"""What a `Telling` may raise at a worker's answer that is none; bad JSON is a `ValueError`."""
_DONE: Final = b"[DONE]"


class Telling(Protocol):
    """How the answer to one request is told in its dialect; it may remember what it has told.

    What it gets was said by a worker, and may lack anything. It may raise what `_ODD` names: a
    whole answer becomes a 502 then, and a stream ends as one whose worker was lost.
    """

    def whole(self, answer: dict[str, Any]) -> Any:
        """The JSON that says what a `chat.completion` says."""

    def chunk(self, chunk: dict[str, Any]) -> bytes:
        """The events that say what a `chat.completion.chunk` says; there may be none."""

    def end(self) -> bytes:
        """The last events, after the last chunk. Once at most, and not after `failure`."""

    def failure(self, error: dict[str, Any]) -> bytes:
        """The last events of a stream that broke off. `error` is what stands under `error` in
        OpenAI's envelope: `message`, `type`, `code`, and mostly `request_id`."""

    def ping(self) -> bytes:
        """What says in mid-stream that we are still here; there may be nothing."""


class WholeTelling:
    """Base of a `Telling` whose answer never comes as a stream."""

    def chunk(self, chunk: dict[str, Any]) -> bytes:
        raise ValueError("this answer is no stream")

    def end(self) -> bytes:
        return b""

    def failure(self, error: dict[str, Any]) -> bytes:
        return b""

    def ping(self) -> bytes:
        return b""


async def through(
    relay: Relay,
    scope: Scope,
    receive: Receive,
    send: Send,
    fields: dict[str, Any],
    telling: Telling,
    *,
    path: str = CHAT,
    names: Names = AS_THEY_ARE,
) -> None:
    """Ask the relay for `fields`, a request as OpenAI's clients make it, and tell what it says.

    The body of the request itself must have been read. A stream should ask for its usage, with
    `stream_options`. An answer with an error's status is passed on in OpenAI's envelope, with
    fields called as in the request (`names`). Raises what `Relay.serve` raises.
    """
    body, request_id = orjson.dumps(fields), request_id_of(scope)
    between = Interpreter(receive, send, body, telling, request_id, names)
    as_chat = {**scope, "path": path}
    try:
        await relay.serve("chat", as_chat, between.receive, between.send, seen_as=scope["path"])
    except RequestError as error:
        names.reword(error)
        raise


class Between:
    """Stands between an application and one request at our own server, and passes everything on.

    To the application it is that request: see `server.web.asgi.Served`.
    """

    def __init__(self, receive: Receive, send: Send) -> None:
        own = served_by(send)
        if own is None:
            raise RuntimeError("a dialect is spoken at our own HTTP server (server/web/http1) only")
        self.own: Served = own
        self._receive = receive
        self._send = send

    @property
    def loop(self) -> asyncio.AbstractEventLoop:
        return self.own.loop

    @property
    def more_lines(self) -> bytes:
        return self.own.more_lines

    @more_lines.setter
    def more_lines(self, lines: bytes) -> None:
        self.own.more_lines = lines

    @property
    def is_answered(self) -> bool:
        return self.own.is_answered

    def listen(self, listener: Callable[[], None] | None) -> None:
        self.own.listen(listener)

    def hold(self, size: int) -> None:
        self.own.hold(size)

    def take_body(self) -> bytes | None:
        return self.own.take_body()

    async def receive(self) -> Message:
        return await self._receive()

    async def respond(self, status: int, headers: Iterable[Header], body: bytes) -> None:
        await self.own.respond(status, headers, body)

    def send_now(self, piece: bytes) -> bool:
        return self.own.send_now(piece)

    async def send(self, message: Message) -> None:
        await self._send(message)


class Interpreter(Between):
    """The client, as the relay knows it: has asked for `body`, and understands OpenAI's answers."""

    def __init__(
        self,
        receive: Receive,
        send: Send,
        body: bytes,
        telling: Telling,
        request_id: str,
        names: Names = AS_THEY_ARE,
    ) -> None:
        super().__init__(receive, send)
        self._body: bytes | None = body
        self._telling = telling
        self._request_id = request_id
        self._names = names
        self._ended = False
        """The last event has been told."""
        self._odd = False
        """Something made no sense: what follows it is not told either."""
        self._unsent = b""
        """What has been told of events, and could not be sent yet."""
        self._waits: bytes | None = None
        """The events of which that was told; the relay sends them next."""

    def take_body(self) -> bytes | None:
        body, self._body = self._body, None
        return body

    async def respond(self, status: int, headers: Iterable[Header], body: bytes) -> None:
        if status < 400:
            try:
                body = orjson.dumps(self._telling.whole(orjson.loads(body)))
            except _ODD:
                error = self._makes_no_sense()
                status, headers = error.status, [JSON]
                body = orjson.dumps(error.envelope(self._request_id))
        else:
            body = self._names.reworded_body(body)
        await self.own.respond(status, headers, body)

    def send_now(self, piece: bytes) -> bool:
        told = self._tell(piece)
        if not told or self.own.send_now(told):
            return True
        self._unsent += told
        self._waits = piece
        return False

    async def send(self, message: Message) -> None:
        if message["type"] != "http.response.body":
            await self._send(message)
            return
        events, more = message.get("body", b""), message.get("more_body", False)
        waits, self._waits = self._waits, None
        if waits is None or waits is not events:
            told = self._tell(events)
            self._unsent += told
        if not more:
            self._unsent += self._last()
        told, self._unsent = self._unsent, b""
        if told or not more:
            await self._send({"type": message["type"], "body": told, "more_body": more})

    def _tell(self, events: bytes) -> bytes:
        """Whole events in the client's dialect. Raises `BadAnswer` at what is no chunk."""
        if self._ended or not events:
            return b""
        said = event_data(events)
        if not said:
            return self._telling.ping()  # a comment, which keeps a connection from falling asleep
        told = []
        for data in said:
            try:
                told.append(self._told(data))
            except _ODD as error:
                self._odd = True
                self._unsent += b"".join(told)
                raise BadAnswer("an event of the stream makes no sense") from error
        return b"".join(told)

    def _told(self, data: bytes) -> bytes:
        if self._ended:
            return b""
        if data == _DONE:
            return self._end()
        chunk = orjson.loads(data)
        error = chunk.get("error")
        if error is None and self._odd:
            raise ValueError("it follows what made no sense")
        if error is None:
            return self._telling.chunk(chunk)
        error = error if isinstance(error, dict) else {"message": str(error)}
        told = self._telling.failure(self._names.reworded(error))
        self._ended = True  # not before: what makes no sense has ended nothing
        return told

    def _end(self) -> bytes:
        if self._ended:
            return b""
        told = self._telling.end()
        self._ended = True
        return told

    def _last(self) -> bytes:
        """Nothing follows it, so what makes no sense is told as a failure at once."""
        try:
            return self._end()
        except _ODD:
            self._ended = True
            error: dict[str, Any] = self._makes_no_sense().envelope(self._request_id)["error"]
            return self._telling.failure(error)

    def _makes_no_sense(self) -> UpstreamFailed:
        log.warning("answer makes no sense", extra={"request_id": self._request_id})
        return UpstreamFailed("The model's answer makes no sense here.")
