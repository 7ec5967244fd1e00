"""A transport without a network: what was written, and in how many pieces."""

from __future__ import annotations

import asyncio
from types import SimpleNamespace
from typing import Any


class FakeTransport(asyncio.Transport):
    """Closes its protocol in the loop's next turn, as a real one does."""

    def __init__(self, protocol: asyncio.Protocol) -> None:
        super().__init__(
            {
                "peername": ("10.0.0.9", 1234),
                "sockname": ("10.0.0.1", 80),
                "socket": SimpleNamespace(setsockopt=lambda *_: None),
            }
        )
        self._protocol: asyncio.Protocol | None = protocol
        self.writes: list[bytes] = []
        self.closing = False
        self.aborted = False
        self.ended = False
        """It says nothing more, and may still listen."""
        self.paused = False

    @property
    def sent(self) -> bytes:
        return b"".join(self.writes)

    def write(self, data: Any) -> None:
        assert not self.closing, "written to a closed transport"
        self.writes.append(bytes(data))

    def writelines(self, list_of_data: Any) -> None:
        self.write(b"".join(list_of_data))

    def write_eof(self) -> None:
        self.ended = True

    def can_write_eof(self) -> bool:
        return True

    def is_closing(self) -> bool:
        return self.closing

    def is_reading(self) -> bool:
        return not self.paused

    def pause_reading(self) -> None:
        self.paused = True

    def resume_reading(self) -> None:
        self.paused = False

    def close(self) -> None:
        self._end(None)

    def abort(self) -> None:
        self.aborted = True
        self._end(None)

    def _end(self, error: Exception | None) -> None:
        if not self.closing and self._protocol is not None:
            self.closing = True
            asyncio.get_running_loop().call_soon(self._protocol.connection_lost, error)
            self._protocol = None
