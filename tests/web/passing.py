"""A stream on its way through, with no network on either side: packet in, writes out."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable

from server.clients.connection import Connection
from server.clients.http import Pool
from server.clients.origin import Origin
from server.core.errors import RequestError
from server.web.asgi import Message, Receive, Scope, Send
from server.web.drain import Drain
from server.web.patience import Patience
from server.web.relay import Stream, end_with_error
from tests.fakes.transport import FakeTransport
from tests.fakes.upstream import STREAM_HEAD, chunk
from tests.web.http1.talk import GET, Server, Talk, settle

Change = Callable[[bytes], bytes]


class Passing:
    """`is_ours`: the client's server is; another one's `send` is a plain function."""

    talk: Talk
    stream: Stream

    def __init__(
        self, change: Change | None = None, *, is_ours: bool = True, one_choice: bool = True
    ) -> None:
        self.upstream = Connection(asyncio.get_running_loop())
        self.transport = FakeTransport(self.upstream)
        self.upstream.connection_made(self.transport)
        self.change = change
        self.is_ours = is_ours
        self.one_choice = one_choice
        self.seen: list[bytes] = []
        self.error: BaseException | None = None
        """What ended it."""
        self.sends = 0
        """Messages that a task had to send."""

    async def begin(self, *packets: bytes, request: bytes = GET) -> Talk:
        """The client asks, and the first packets are there."""
        self.talk = Server(self._app).connect()
        await self.talk.say(request)
        await self.hear(STREAM_HEAD, *packets)
        return self.talk

    async def hear(self, *packets: bytes) -> None:
        """All in one turn of the loop."""
        for packet in packets:
            self.upstream.data_received(packet)
        await settle()

    async def cut(self) -> None:
        self.upstream.connection_lost(None)
        await settle()

    @property
    def body(self) -> bytes:
        """What the client has; its end does not count."""
        _, _, rest = self.talk.said.partition(b"\r\n\r\n")
        parts = []
        while rest and (size := int(rest[: rest.index(b"\r\n")], 16)):
            start = rest.index(b"\r\n") + 2
            parts.append(rest[start : start + size])
            rest = rest[start + size + 2 :]
        return b"".join(parts)

    @property
    def is_whole(self) -> bool:
        return self.talk.said.endswith(b"\r\n0\r\n\r\n")

    @property
    def code(self) -> str:
        """Of the error that is the last event."""
        last = self.body.rpartition(b"event: error\ndata: ")[2]
        code: str = json.loads(last)["error"]["code"]
        return code

    async def _app(self, scope: Scope, receive: Receive, send: Send) -> None:
        async def counted(message: Message) -> None:
            self.sends += 1
            await send(message)

        out = send if self.is_ours else counted
        pool = Pool(Origin("upstream", 80), self._connect, ask_again=False)
        try:
            async with pool.request(b"/") as answer:
                with Patience(receive, Drain(), 60) as limit:
                    self.stream = Stream(
                        answer,
                        limit,
                        self.change,
                        seen=self.seen.append,
                        one_choice=self.one_choice,
                    )
                    await self.stream.open()
                    await self.stream.pass_on(out)
        except RequestError as error:
            self.error = error
            await end_with_error(out, error, "r1")
        except BaseException as error:
            self.error = error
            raise

    async def _connect(self, _: Origin) -> Connection:
        return self.upstream


def events(*texts: bytes) -> bytes:
    """Each an event, all in one chunk."""
    return chunk(b"".join(map(event, texts)))


def event(text: bytes) -> bytes:
    return b"data: %b\n\n" % text
