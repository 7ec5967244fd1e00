"""RFC 6455's frames: bytes in, whole messages out, and the other way round."""

from __future__ import annotations

import struct
from typing import Final, NamedTuple

# What a message is.
TEXT: Final = 1
BINARY: Final = 2
CLOSE: Final = 8
PING: Final = 9
PONG: Final = 10
TOO_LONG: Final = -1
"""One that is longer than it may be; it was thrown away."""
SWAMPED: Final = -2
"""One that was thrown away because all clients together sent too much."""

# Why a socket is closed.
NORMAL: Final = 1000
GOING_AWAY: Final = 1001
PROTOCOL_ERROR: Final = 1002
NO_CODE: Final = 1005
"""Its client said none; never sent."""
NOT_UTF8: Final = 1007
POLICY: Final = 1008
TOO_BIG: Final = 1009

_CONTINUATION: Final = 0
_CONTROLS: Final = (CLOSE, PING, PONG)
_MAX_CONTROL_BYTES: Final = 125
_MAX_THROWN: Final = 16
"""A message is read to its end and thrown away, up to so many times what it may have."""
_WIDTHS: Final = {126: 2, 127: 8}
_FIRST_WIDE: Final = {2: 126, 8: 1 << 16}
_MAX_LENGTH: Final = (1 << 63) - 1


class Broken(Exception):
    """This is no WebSocket any more. `code`: what its client is told."""

    def __init__(self, code: int) -> None:
        super().__init__(code)
        self.code = code


class Message(NamedTuple):
    kind: int
    payload: bytes = b""


PART: Final = Message(0)
"""There is more to come of it."""


class _Frame(NamedTuple):
    kind: int
    last: bool
    length: int
    mask: bytes


class Frames:
    """What one client sends."""

    __slots__ = ("_fate", "_frame", "_kind", "_most", "_parts", "_raw", "_thrown")

    def __init__(self, most: int) -> None:
        """`most`: bytes of one message."""
        self._most = most
        self._raw = bytearray()
        self._frame: _Frame | None = None
        """Whose payload is being received."""
        self._kind = 0
        """Of the message that is being received; 0: none is."""
        self._parts = bytearray()
        """All that came of it; frames of one byte each are none of ours to keep."""
        self._fate = 0
        """What is said of the message at its end, when it is thrown away."""
        self._thrown = 0

    @property
    def held(self) -> int:
        """Bytes in memory."""
        return len(self._raw) + len(self._parts)

    @property
    def in_message(self) -> bool:
        return bool(self._kind or self._frame is not None or self._raw)

    def add(self, data: bytes) -> None:
        """More has come."""
        self._raw += data

    def next(self) -> Message | None:
        """What the next frame makes whole, `PART` if it is nothing yet; None: no frame is whole.

        Raises `Broken`.
        """
        if self._frame is None and not self._begin():
            return None
        frame = self._frame
        assert frame is not None
        if self._fate and frame.kind not in _CONTROLS:
            frame = self._frame = self._throw(frame)
            if frame.length:
                return None
        elif len(self._raw) < frame.length:
            return None
        self._frame = None
        return self._end(frame)

    def throw_away(self, fate: int) -> None:
        """The message that is being received; its end is told as `fate`."""
        if self._kind:
            self._fate = fate
            self._parts = bytearray()

    def _begin(self) -> bool:
        """Read the head of a frame, if all of it is here."""
        raw = self._raw
        if len(raw) < 2:
            return False
        first, second = raw[0], raw[1]
        if first & 0x70 or not second & 0x80:  # no extension was agreed on; clients mask
            raise Broken(PROTOCOL_ERROR)
        width = _WIDTHS.get(second & 0x7F, 0)
        end = 2 + width + 4
        if len(raw) < end:
            return False
        length = int.from_bytes(raw[2 : 2 + width], "big") if width else second & 0x7F
        if width and not _FIRST_WIDE[width] <= length <= _MAX_LENGTH:
            raise Broken(PROTOCOL_ERROR)
        self._frame = _Frame(first & 0x0F, bool(first & 0x80), length, bytes(raw[end - 4 : end]))
        del raw[:end]
        self._check(self._frame)
        return True

    def _check(self, frame: _Frame) -> None:
        """Whether it may come now."""
        if frame.kind in _CONTROLS:
            if not frame.last or frame.length > _MAX_CONTROL_BYTES:
                raise Broken(PROTOCOL_ERROR)
            return
        if frame.kind == _CONTINUATION:
            fits = self._kind != 0
        else:
            fits = self._kind == 0 and frame.kind in (TEXT, BINARY)
            self._kind = frame.kind
            self._thrown = 0
        if not fits:
            raise Broken(PROTOCOL_ERROR)
        if not self._fate and len(self._parts) + frame.length > self._most:
            self.throw_away(TOO_LONG)

    def _throw(self, frame: _Frame) -> _Frame:
        """Away what is here of it. Raises `Broken` when there is no end of it."""
        gone = min(len(self._raw), frame.length)
        del self._raw[:gone]
        self._thrown += gone
        if self._thrown > _MAX_THROWN * self._most:
            raise Broken(TOO_BIG)
        return frame._replace(length=frame.length - gone)

    def _end(self, frame: _Frame) -> Message:
        payload = unmasked(bytes(self._raw[: frame.length]), frame.mask)
        del self._raw[: frame.length]
        if frame.kind in _CONTROLS:
            return Message(frame.kind, payload)
        self._parts += payload
        if not frame.last:
            return PART
        kind, fate, whole = self._kind, self._fate, bytes(self._parts)
        self._kind = self._fate = 0
        self._parts = bytearray()
        if fate:
            return Message(fate)
        if kind == TEXT and not is_utf8(whole):
            raise Broken(NOT_UTF8)
        return Message(kind, whole)


def unmasked(payload: bytes, mask: bytes) -> bytes:
    """Masking it once more is the same."""
    size = len(payload)
    key = (mask * (size // 4 + 1))[:size]
    # As one number, it takes as long as three copies.
    mixed = int.from_bytes(payload, "little") ^ int.from_bytes(key, "little")
    return mixed.to_bytes(size, "little")


def framed(kind: int, payload: bytes) -> bytes:
    """A message in one frame, as servers send it."""
    size = len(payload)
    if size < 126:
        return bytes((0x80 | kind, size)) + payload
    if size < 1 << 16:
        return struct.pack("!BBH", 0x80 | kind, 126, size) + payload
    return struct.pack("!BBQ", 0x80 | kind, 127, size) + payload


def closing(code: int, reason: str) -> bytes:
    """What a close says; of a long reason its beginning."""
    said = reason.encode()[: _MAX_CONTROL_BYTES - 2].decode(errors="ignore")
    return struct.pack("!H", code) + said.encode()


def code_of(payload: bytes) -> int:
    """Why a client closes. Raises `Broken`."""
    if not payload:
        return NO_CODE
    code = int.from_bytes(payload[:2], "big")
    if len(payload) == 1 or not (
        1000 <= code <= 1003 or 1007 <= code <= 1014 or 3000 <= code <= 4999
    ):
        raise Broken(PROTOCOL_ERROR)
    if not is_utf8(payload[2:]):
        raise Broken(NOT_UTF8)
    return code


def is_utf8(text: bytes) -> bool:
    try:
        text.decode()
    except UnicodeDecodeError:
        return False
    return True
