"""The connection, as one of its exchanges knows it."""

from __future__ import annotations

from collections.abc import Callable
from typing import Protocol

from server.web.http1.channel import Channel

Place = dict[str, tuple[str, int] | None]
"""Between whom a connection is: `client` and `server` of an ASGI scope."""


class Line(Protocol):
    place: Place
    blocked: bool
    """The client reads more slowly than we write."""
    paused: bool
    """It sends faster than we read, and has to wait."""

    @property
    def write(self) -> Callable[[bytes], None]: ...

    def write_parts(self, *parts: bytes) -> None:
        """Without a copy of them."""

    async def unblocked(self) -> None:
        """Wait until the client has read enough, or has left."""

    def regulate(self) -> None:
        """Unread bytes have become more, or fewer."""

    def await_body(self) -> None:
        """The application waits for more of the current request's body."""

    def answered(self, *, keep: bool) -> None:
        """The current answer is whole. `keep`: another request may follow."""

    def switch(self, successor: Channel) -> None:
        """From now on the client speaks to `successor`. Raises `BadRequest` where it has said more
        than the current request."""

    def cut(self, *, looks_whole: bool) -> None:
        """End the connection in mid-answer, so that the client cannot take it for a whole one."""
