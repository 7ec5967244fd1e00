"""The one codec of server-sent events, on bytes.

Lines end at LF, CRLF or CR and nowhere else: U+2028 inside JSON is text.
Source: https://html.spec.whatwg.org/multipage/server-sent-events.html
"""

from __future__ import annotations

import re
from typing import Any

import orjson

from server.core.limits import MAX_EVENT_BYTES

DONE = b"data: [DONE]\n\n"

_LINE_END = re.compile(rb"\r\n|\n|\r")
_BLANK_LINES = (b"\n\n", b"\r\n\r\n", b"\r\r")
_BLANK_LINE = re.compile(rb"\r\n\r\n|\n\n|\r\r")


def data_event(value: Any) -> bytes:
    """`value` as one JSON event; JSON escapes line ends, so text cannot forge another event."""
    return b"data: " + orjson.dumps(value) + b"\n\n"


def comment(value: Any) -> bytes:
    """`value` as one JSON comment: clients pass over it, and who knows of it can read it."""
    return b": " + orjson.dumps(value) + b"\n\n"


class EventSplitter:
    """Cuts a stream of bytes at the borders of events, changing none of them.

    What is passed on always ends with a whole event, so an error event can follow at any time.
    """

    def __init__(self, max_bytes: int = MAX_EVENT_BYTES) -> None:
        self.tail = b""
        """Of an event that has not ended yet."""
        self._max_bytes = max_bytes

    def feed(self, chunk: bytes) -> bytes:
        """The whole events now complete. Raises `ValueError` for an endless one."""
        if not self.tail and chunk.endswith(b"\n\n"):
            return chunk
        data = self.tail + chunk
        end = max(
            (data.rfind(mark) + len(mark) for mark in _BLANK_LINES if mark in data),
            default=0,
        )
        self.tail = data[end:]
        if len(self.tail) > self._max_bytes:
            raise ValueError(f"an event is longer than {self._max_bytes} bytes")
        return data[:end]


def event_data(block: bytes) -> list[bytes]:
    """The data of each event in `block`, in order; comments and other fields are skipped."""
    found = []
    for event in _BLANK_LINE.split(block):
        lines = [line for line in _LINE_END.split(event) if line.startswith(b"data:")]
        if lines:
            found.append(b"\n".join(line[5:].removeprefix(b" ") for line in lines))
    return found
