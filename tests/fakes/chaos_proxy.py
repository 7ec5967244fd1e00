"""A way to a server that goes wrong: cut, reset, swallowed, slow or lossy.

It is TCP, so that nobody at either end is asked.
"""

from __future__ import annotations

import asyncio
import random
import socket
import struct
import threading
from collections.abc import Callable, Coroutine, Iterator
from contextlib import contextmanager, suppress
from math import inf
from typing import TypeVar

_T = TypeVar("_T")
_RESET_ON_CLOSE = struct.pack("ii", 1, 0)
_CHUNK = 65_536
_SEGMENT = 1460
"""Bytes that are lost together."""
_CALL_S = 10.0


class ChaosProxy:
    """Runs in a thread with an event loop of its own, for tests with and without one.

    Bytes that are held are not lost: they go on once the way is mended, as TCP's do.
    """

    def __init__(self, host: str, port: int, *, buffer_bytes: int = 0, seed: int = 0) -> None:
        """Where the server is. `buffer_bytes`: of the kernel, for each connection and direction;
        0 leaves it to grow. `seed`: of what gets lost."""
        self._server = (host, port)
        self._buffer_bytes = buffer_bytes
        self._chance = random.Random(seed)
        self._listener = socket.create_server(("127.0.0.1", 0), backlog=512)
        self._listener.setblocking(False)
        self._limit_buffers(self._listener)
        self._carried: set[asyncio.Task[None]] = set()
        self._is_cut = False
        self._bytes_per_s = inf
        self._loss, self._stall_s = 0.0, 0.0
        self.accepted = 0
        """Connections that there ever were."""
        self._loop = asyncio.new_event_loop()
        self._flows = asyncio.Event()
        self._flows.set()
        self._thread = threading.Thread(target=self._loop.run_forever, daemon=True)
        self._thread.start()
        self._accepting = asyncio.run_coroutine_threadsafe(self._accept(), self._loop)

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self._listener.getsockname()[1]}"

    def cut(self) -> int:
        """Drop every connection and refuse new ones; how many there were."""
        self._is_cut = True
        return self.reset()

    def reset(self) -> int:
        """Drop every connection with a reset at both ends; how many there were."""
        return self._call(self._drop_all())

    def black_hole(self) -> None:
        """Carry nothing any more, either way, of connections old and new; nobody is told."""
        self._loop.call_soon_threadsafe(self._flows.clear)

    def slow_down(self, bytes_per_s: float) -> None:
        """Each way of each connection carries so many."""
        self._bytes_per_s = bytes_per_s

    def lose(self, share: float, stall_s: float) -> None:
        """So large a share of segments comes `stall_s` late, and all behind it: a loss, as those
        at both ends see it."""
        self._loss, self._stall_s = share, stall_s

    def mend(self) -> None:
        """All is well again."""
        self._is_cut = False
        self._bytes_per_s = inf
        self._loss = 0.0
        self._loop.call_soon_threadsafe(self._flows.set)

    def close(self) -> None:
        self._accepting.cancel()
        self.cut()
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join(_CALL_S)
        self._listener.close()
        self._loop.close()

    def _call(self, work: Coroutine[object, object, _T]) -> _T:
        return asyncio.run_coroutine_threadsafe(work, self._loop).result(_CALL_S)

    def _limit_buffers(self, end: socket.socket) -> None:
        if self._buffer_bytes:
            end.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, self._buffer_bytes)
            end.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, self._buffer_bytes)

    # in the thread -----------------------------------------------------------------------------

    async def _accept(self) -> None:
        while True:
            client, _ = await self._loop.sock_accept(self._listener)
            client.setblocking(False)
            self.accepted += 1
            if self._is_cut:
                _reset(client)
                continue
            carrying = self._loop.create_task(self._carry(client))
            self._carried.add(carrying)
            carrying.add_done_callback(self._carried.discard)

    async def _drop_all(self) -> int:
        dropped = list(self._carried)
        for carrying in dropped:
            carrying.cancel()
        await asyncio.gather(*dropped, return_exceptions=True)
        return len(dropped)

    async def _carry(self, client: socket.socket) -> None:
        """Whatever ends it but an end at both sides is a reset to both."""
        server = socket.socket()
        server.setblocking(False)
        self._limit_buffers(server)
        end: Callable[[socket.socket], None] = _reset
        try:
            await self._flows.wait()
            await self._loop.sock_connect(server, self._server)
            async with asyncio.TaskGroup() as both_ways:
                both_ways.create_task(self._pass_on(client, server))
                both_ways.create_task(self._pass_on(server, client))
            end = socket.socket.close
        except* OSError:
            pass
        finally:
            end(client)
            end(server)

    async def _pass_on(self, source: socket.socket, target: socket.socket) -> None:
        while data := await self._loop.sock_recv(source, self._piece()):
            await self._delay(len(data))
            await self._loop.sock_sendall(target, data)
        await self._flows.wait()
        target.shutdown(socket.SHUT_WR)

    def _piece(self) -> int:
        if self._loss:
            return _SEGMENT
        return int(max(1, min(_CHUNK, self._bytes_per_s / 20)))

    async def _delay(self, size: int) -> None:
        if self._bytes_per_s != inf:
            await asyncio.sleep(size / self._bytes_per_s)
        if self._loss and self._chance.random() < self._loss:
            await asyncio.sleep(self._stall_s)
        await self._flows.wait()


def _reset(end: socket.socket) -> None:
    with suppress(OSError):
        end.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _RESET_ON_CLOSE)
    end.close()


@contextmanager
def chaos_proxy(host: str, port: int, *, buffer_bytes: int = 0) -> Iterator[ChaosProxy]:
    proxy = ChaosProxy(host, port, buffer_bytes=buffer_bytes)
    try:
        yield proxy
    finally:
        proxy.close()


@contextmanager
def unreachable() -> Iterator[str]:
    """The URL of a host that answers no attempt to connect, not even with a refusal."""
    with socket.socket() as listener, socket.socket() as only_guest:
        listener.bind(("127.0.0.1", 0))
        listener.listen(0)  # room for one, whom nobody lets in
        only_guest.connect(listener.getsockname())
        yield f"http://127.0.0.1:{listener.getsockname()[1]}"
