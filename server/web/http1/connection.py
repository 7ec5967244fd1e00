"""One client's connection: what is being answered, what waits behind it, and when it must go."""

from __future__ import annotations

import asyncio
from typing import Any

import uvicorn
from uvicorn.server import ServerState

from server.core.errors import BadRequest
from server.core.limits import BODY_S, UNREAD_BYTES
from server.web.http1 import deadline
from server.web.http1.backlog import Backlog
from server.web.http1.channel import Channel
from server.web.http1.deadline import Deadline
from server.web.http1.exchange import CLOSE, Exchange
from server.web.http1.line import Place
from server.web.http1.pieces import Pieces
from server.web.http1.reader import Reader
from server.web.http1.refusals import BUSY, TIMEOUT, meaning_of
from server.web.http1.service import service_of


class Connection(Channel):
    """Requests are read and answered one after the other; what comes early is kept, within limits.

    `uvicorn.Server` makes one for each client, and calls `shutdown` when it ends.
    """

    __slots__ = (
        "_backlog", "_current", "_deadline", "_parting", "_reader", "_service", "place",
    )  # fmt: skip

    place: Place
    _reader: Reader

    def __init__(
        self,
        config: uvicorn.Config,
        server_state: ServerState,
        app_state: dict[str, Any],
        _loop: asyncio.AbstractEventLoop | None = None,
    ) -> None:
        self._service = service = service_of(config, server_state, app_state)
        super().__init__(service.loop)
        self._deadline = Deadline(service.loop, service.limits_s, self._expire)
        self._current: Exchange | None = None
        """The one being answered."""
        self._backlog = Backlog()
        self._parting = False
        """Nothing is read or answered any more."""

    # asyncio -----------------------------------------------------------------------------------

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        super().connection_made(transport)
        service = self._service
        service.connections.add(self)
        self.place = _place(self._transport)
        self._reader = Reader(self, service)
        surplus = len(service.connections) - service.most
        if surplus <= 0:
            self._deadline.set(deadline.HEAD)
            return
        service.complain()
        if surplus <= service.most // 8:
            self._say_last(BUSY)
        else:  # too many even to tell them
            service.turned_away(0, meaning_of(BUSY)[1])
            self._transport.abort()

    def data_received(self, data: bytes) -> None:
        if self._parting:
            return
        if self._backlog.queue:
            if self._backlog.farewell is None:
                self._backlog.held += data
                self.regulate()
            return
        self._reader.feed(data)  # which was closed, if there is to be a farewell
        if self._current is None:
            self._watch()

    def eof_received(self) -> None:
        """It has left; what was written still goes out, then the transport closes itself."""
        self._parting = True
        self._leave()
        self._deadline.set(deadline.FLUSH)

    def connection_lost(self, exc: Exception | None) -> None:
        self._leave()
        self._forget()

    def _forget(self) -> None:
        self._parting = True
        self._deadline.close()
        self._reader.close()
        del self._reader  # it knows us: no cycle is left to the collector
        self._service.connections.discard(self)

    def pause_writing(self) -> None:
        self.blocked = True
        self._watch()

    def resume_writing(self) -> None:
        self.unblock()
        self._watch()

    def shutdown(self) -> None:
        """For `uvicorn.Server`, when it ends."""
        if self._current is None:
            self._close()
        else:  # the answer that is under way is the last one
            self._current.then = CLOSE

    # for the reader ----------------------------------------------------------------------------

    def begin(self, exchange: Exchange) -> None:
        if self._current is not None:
            self._backlog.add(exchange)
            return
        self._current = exchange
        if not self.blocked:
            self._deadline.what = None
        exchange.task = task = self._loop.create_task(exchange.run())
        self._service.tasks.add(task)

    def refuse(self, answer: bytes, unfinished: Exchange | None) -> None:
        if unfinished is None:
            self._say_after_all(answer)
        elif unfinished is self._current:
            self._refuse_current(answer, unfinished)
        elif unfinished in self._backlog.queue:
            self._backlog.queue.remove(unfinished)
            unfinished.leave()
            self._say_after_all(answer)
        else:  # it has had its answer
            self._part(unread=True)

    def regulate(self) -> None:
        exchange = self._reader.exchange
        pieces = exchange.pieces if exchange is not None else None
        unread = pieces.unread if pieces is not None else 0
        self.pause(
            len(self._backlog.held) > UNREAD_BYTES
            or unread > UNREAD_BYTES
            or (unread > 0 and self._service.is_swamped)
        )

    # for the exchange --------------------------------------------------------------------------

    def await_body(self) -> None:
        pieces = self._awaited()
        if pieces is not None and not pieces.due:
            pieces.due = self._loop.time() + BODY_S
        if not self.blocked:
            self._deadline.what = None  # each piece may take as long as the first
            self._watch()

    def answered(self, *, keep: bool) -> None:
        self._current = None
        self._service.state.total_requests += 1
        if not keep:
            self._part()
        elif self._backlog.queue:
            self.begin(self._backlog.queue.pop(0))
            self._read_on()
        elif self._backlog.farewell is not None:
            self._say_last(self._backlog.farewell)
        elif self.paused or self.blocked or self._reader.in_message:
            if self.paused:
                self.regulate()
            self._watch()
        else:
            self._deadline.set(deadline.IDLE)

    def switch(self, successor: Channel) -> None:
        reader = self._reader
        if reader.in_message or reader.head_bytes or self._backlog:
            raise BadRequest("Wait for the answer to an upgrade before you send more.")
        self.pause(False)
        self._current = None
        self._forget()
        self._service.connections.add(successor)
        successor.succeed(self)

    def cut(self, *, looks_whole: bool) -> None:
        self._leave()
        if looks_whole:  # only a reset tells its client otherwise
            self.reset()
        else:
            self._part()

    # life --------------------------------------------------------------------------------------

    def _read_on(self) -> None:
        """Look at what was held, as far as it is next in line."""
        while self._backlog.held and not self._backlog.queue:
            self._reader.feed(self._backlog.release())
        self.regulate()

    def _refuse_current(self, answer: bytes, exchange: Exchange) -> None:
        if exchange.has_begun:
            self.cut(looks_whole=False)
        else:
            self._leave()
            self._say_last(answer)

    def _say_after_all(self, answer: bytes) -> None:
        if self._current is None:
            self._say_last(answer)
        else:
            self._backlog.farewell = answer

    def _say_last(self, answer: bytes) -> None:
        self._service.turned_away(*meaning_of(answer))
        self.write(answer)
        self._part(unread=True)

    def _leave(self) -> None:
        """Nobody waits for any answer, so nobody need make one."""
        exchange, self._current = self._current, None
        if exchange is not None:
            exchange.leave()
        self._backlog.leave()
        self.unblock()

    def _part(self, *, unread: bool = False) -> None:
        """Close, once all that was written is out and, if there is more to read, thrown away: a
        connection that closes on unread bytes is reset, and the last answer with it."""
        if self._parting:
            return
        self._parting = True
        if unread or self._reader.exchange is not None or self._backlog:
            self._leave()
            self.regulate()
            self._transport.write_eof()
            self._deadline.set(deadline.REST)
        else:
            self._close()

    def _close(self) -> None:
        self._parting = True
        self._transport.close()
        self._deadline.set(deadline.FLUSH)

    # waiting -----------------------------------------------------------------------------------

    def _watch(self) -> None:
        """The client must do the next thing in time; how long an answer takes is not its affair."""
        if self._parting:
            return
        if self.blocked:
            self._deadline.set(deadline.STALL)
        elif (pieces := self._awaited()) is not None:
            self._deadline.set(deadline.BODY, pieces.due)
        elif self._current is not None:
            self._deadline.what = None
        elif self._reader.exchange is not None:
            self._deadline.set(deadline.REST)
        elif self._reader.in_message or self._reader.head_bytes:
            self._deadline.set(deadline.HEAD)
        else:
            self._deadline.set(deadline.IDLE)

    def _expire(self, what: str) -> None:
        if what == deadline.HEAD:
            self._reader.close()
            self.refuse(TIMEOUT, None)
        elif what in (deadline.STALL, deadline.FLUSH):
            self._transport.abort()
        elif what != deadline.BODY:
            self._close()
        elif (pieces := self._awaited()) is not None:
            pieces.give_up()

    def _awaited(self) -> Pieces | None:
        """The body that the application waits for."""
        pieces = self._current.pieces if self._current is not None else None
        return pieces if pieces is not None and pieces.is_awaited else None


def _place(transport: asyncio.Transport) -> Place:
    client = transport.get_extra_info("peername")
    server = transport.get_extra_info("sockname")
    return {
        "client": (str(client[0]), int(client[1])) if isinstance(client, tuple) else None,
        "server": (str(server[0]), int(server[1])) if isinstance(server, tuple) else None,
    }
