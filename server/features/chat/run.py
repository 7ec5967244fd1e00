"""One answer while it is being made: a log of its text that many may read, each at its own pace.

A reader holds a place in the log and no buffer, so a slow one costs nothing and a lost one can
come back: it says how many characters it has, and gets the rest.
"""

from __future__ import annotations

import asyncio
from bisect import bisect_right
from collections.abc import AsyncGenerator, Callable, Iterator
from contextlib import contextmanager

from server.core.errors import RequestError
from server.features.chat.events import Event
from server.wire.browser import DoneFrame, ErrorFrame, Message, QueueFrame, TextFrame


class Run:
    """Written by the task that makes the answer, read by `events`."""

    def __init__(self, message: Message, *, is_new: bool = True) -> None:
        """`is_new` is False for an answer that was asked for before."""
        self.message = message
        self.is_new = is_new
        self.alone: Callable[[bool], None] = lambda alone: None
        """Hears when the last reader leaves (True), and when a first one comes (False)."""
        self.failure: RequestError | None = None
        """Why there is no whole answer, once that is known."""
        self.is_dirty = False
        """Whether there is text that has not been saved."""
        self._pieces: list[str] = []
        self._ends: list[int] = []
        """How long the text is with each piece."""
        self._queue: QueueFrame | None = None
        self._end: DoneFrame | ErrorFrame | None = None
        self._readers = 0
        self._news = asyncio.Event()

    @property
    def conversation_id(self) -> str:
        return self.message.conversation_id

    @property
    def text(self) -> str:
        return "".join(self._pieces)

    @property
    def length(self) -> int:
        return self._ends[-1] if self._ends else 0

    @property
    def end(self) -> DoneFrame | ErrorFrame | None:
        """The last frame, once there is one."""
        return self._end

    def write(self, text: str) -> None:
        if text:
            self._pieces.append(text)
            self._ends.append(self.length + len(text))
            self._queue = None
            self.is_dirty = True
            self._tell()

    def wait_at(self, frame: QueueFrame) -> None:
        """Say why there is no text yet."""
        if frame != self._queue:
            self._queue = frame
            self._tell()

    def close(self, frame: DoneFrame | ErrorFrame, failure: RequestError | None = None) -> None:
        self.failure = failure
        self._end = frame
        self._tell()

    async def ended(self) -> DoneFrame | ErrorFrame:
        """Wait for the end, as one of the readers."""
        with self._reading():
            while self._end is None:
                await self._news.wait()
            return self._end

    async def events(self, after: int = 0) -> AsyncGenerator[Event]:
        """Everything from character `after` on, the end included; what piled up comes at once."""
        index = bisect_right(self._ends, after)
        sent = min(after, self.length)
        waiting: QueueFrame | None = None
        with self._reading():
            while True:
                news = self._news
                if index < len(self._pieces):
                    text = self._from(index, sent)
                    index, sent = len(self._pieces), self.length
                    yield Event.of(TextFrame(message_id=self.message.id, text=text), sent)
                elif self._end is not None:
                    yield Event.of(self._end, sent)
                    return
                elif self._queue is not None and self._queue != waiting:
                    waiting = self._queue
                    yield Event.of(waiting, sent)
                else:
                    await news.wait()

    def _from(self, index: int, sent: int) -> str:
        """The text from character `sent` on, which lies in piece `index`."""
        start = self._ends[index - 1] if index else 0
        return "".join(self._pieces[index:])[sent - start :]

    @contextmanager
    def _reading(self) -> Iterator[None]:
        self._readers += 1
        if self._readers == 1:
            self.alone(False)
        try:
            yield
        finally:
            self._readers -= 1
            if not self._readers:
                self.alone(True)

    def _tell(self) -> None:
        """Wake the readers; those who come later wait for the next news."""
        news, self._news = self._news, asyncio.Event()
        news.set()
