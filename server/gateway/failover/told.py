"""What a client has been told of an answer."""

from __future__ import annotations

from typing import Final

from server.core.sse import event_data
from server.gateway.failover.chunks import Json, index_of, is_end_mark, is_error, read_chunk
from server.gateway.failover.known import Known

FRAME: Final = ("id", "object", "created", "model", "system_fingerprint")
"""What all chunks of an answer have in common."""


class Told:
    __slots__ = ("choices", "done", "failed", "frame", "usage")

    def __init__(self) -> None:
        self.choices: dict[int, Known] = {}
        self.frame: Json | None = None
        """As the last chunk with a choice had it; None: there was no chunk."""
        self.usage = False
        """Whether the chunk that comes after all choices was there."""
        self.done = False
        """Whether `[DONE]` was there."""
        self.failed = False
        """Whether an error was there, and with it an end."""

    @property
    def ended(self) -> bool:
        """Whether the answer is complete, or was said to be lost: at most the end mark is left to
        be told."""
        return self.done or self.failed or self.usage

    def read(self, events: bytes) -> None:
        """Take in whole events. Raises `Diverged` for what cannot be compared."""
        for data in event_data(events):
            if is_end_mark(data):
                self.done = True
            else:
                self._read_chunk(read_chunk(data))

    def _read_chunk(self, chunk: Json) -> None:
        if is_error(chunk):
            self.failed = True
            return
        choices = chunk["choices"]
        if choices or self.frame is None:
            self.frame = {key: chunk[key] for key in FRAME if key in chunk}
        for choice in choices:
            self.choices.setdefault(index_of(choice), Known()).learn(choice)
        if not choices and isinstance(chunk.get("usage"), dict):
            finished = all(known.finish for known in self.choices.values())
            self.usage = bool(self.choices) and finished
