"""One frame of an answer's stream."""

from __future__ import annotations

from dataclasses import dataclass

from server.wire.browser import DoneFrame, ErrorFrame, QueueFrame, TextFrame

Frame = TextFrame | QueueFrame | DoneFrame | ErrorFrame
_NAMES: dict[type, str] = {QueueFrame: "queue", DoneFrame: "done", ErrorFrame: "error"}


@dataclass(frozen=True, slots=True)
class Event:
    id: int
    """Characters of the answer sent so far."""
    name: str
    """Empty for text."""
    data: bytes
    """JSON, so no line end can be in it."""

    @classmethod
    def of(cls, frame: Frame, at: int) -> Event:
        return cls(at, _NAMES.get(type(frame), ""), frame.model_dump_json().encode())

    def encode(self) -> bytes:
        """As `text/event-stream`."""
        name = f"event: {self.name}\n" if self.name else ""
        return f"id: {self.id}\n{name}data: ".encode() + self.data + b"\n\n"
