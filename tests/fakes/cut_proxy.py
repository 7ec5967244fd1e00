"""A way to a server that can be cut and mended: TCP, so that nobody at either end is asked."""

from __future__ import annotations

import socket
import struct
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress

_RESET_ON_CLOSE = struct.pack("ii", 1, 0)
_CHUNK = 65_536


class CutProxy:
    """Threads, because the tests that need it have no event loop of their own."""

    def __init__(self, host: str, port: int) -> None:
        """Where the server is."""
        self._server = (host, port)
        self._listener = socket.create_server(("127.0.0.1", 0))
        self._open: set[socket.socket] = set()
        self._lock = threading.Lock()
        self._is_cut = False
        threading.Thread(target=self._accept, daemon=True).start()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self._listener.getsockname()[1]}"

    def cut(self) -> int:
        """Drop every connection and refuse new ones; how many there were."""
        with self._lock:
            self._is_cut = True
            dropped = len(self._open) // 2
            for end in self._open:
                _drop(end)
            self._open.clear()
        return dropped

    def mend(self) -> None:
        with self._lock:
            self._is_cut = False

    def close(self) -> None:
        self.cut()
        # Only this wakes a thread that waits in accept().
        with suppress(OSError):
            self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()

    def _accept(self) -> None:
        while True:
            try:
                client, _ = self._listener.accept()
            except OSError:
                return
            self._join(client)

    def _join(self, client: socket.socket) -> None:
        try:
            server = socket.create_connection(self._server, timeout=5)
        except OSError:
            _drop(client)
            return
        server.settimeout(None)
        with self._lock:
            if self._is_cut:
                _drop(client)
                _drop(server)
                return
            self._open |= {client, server}
        for pair in ((client, server), (server, client)):
            threading.Thread(target=self._pass_on, args=pair, daemon=True).start()

    def _pass_on(self, source: socket.socket, target: socket.socket) -> None:
        with suppress(OSError):
            while data := source.recv(_CHUNK):
                target.sendall(data)
        with suppress(OSError):
            target.shutdown(socket.SHUT_WR)
        with self._lock:
            self._open -= {source, target}


def _drop(end: socket.socket) -> None:
    """Both directions at once, with a reset: as when a cable is pulled at a firewall."""
    with suppress(OSError):
        end.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _RESET_ON_CLOSE)
        end.shutdown(socket.SHUT_RDWR)
    end.close()


@contextmanager
def cut_proxy(host: str, port: int) -> Iterator[CutProxy]:
    proxy = CutProxy(host, port)
    try:
        yield proxy
    finally:
        proxy.close()
