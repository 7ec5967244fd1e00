"""The head of an answer as bytes: every header line is checked, none is looked at twice."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from http import HTTPStatus
from typing import Final, NoReturn

from server.web.asgi import Header

# In place of a body's length.
NO_BODY: Final = -3
NO_LENGTH: Final = -4
"""The application does not say it."""

_NAME = re.compile(rb"[!#$%&'*+.^_`|~0-9A-Za-z-]+")
_LENGTH = b"\r\ncontent-length: "
_CONNECTION = b"\r\nconnection: "
_CODING = b"\r\ntransfer-encoding: "
_FRAMING = frozenset({_LENGTH, _CONNECTION, _CODING})
_STARTS: dict[bytes, bytes] = {}
Composed = tuple[bytes, int, bool]
_HEADS: dict[tuple[int, tuple[Header, ...]], Composed] = {}
_MAX_HEADS = 256
_SHORT = 3
"""Most answers have the same few headers; longer heads are hardly ever the same twice."""
_MAX_STARTS = 512
"""Applications use few names, upstreams of upstreams may invent any."""
_BODILESS = frozenset({204, 304})
_CONTROLS = bytes(code for code in (*range(32), 127) if code != 9)


def _status_line(status: int) -> bytes:
    try:
        phrase = HTTPStatus(status).phrase
    except ValueError:
        phrase = ""
    return f"HTTP/1.1 {status} {phrase}".encode()


_STATUS_LINES = {status: _status_line(status) for status in range(200, 600)}


def compose(status: int, headers: Iterable[Header], always: Sequence[Header] = ()) -> Composed:
    """As `_compose`; short heads without a length of their own are remembered."""
    said = (*always, *headers)
    try:
        composed = _HEADS.get((status, said))
    except TypeError:  # ASGI allows lists, which have no hash
        return _compose(status, said)
    if composed is None:
        composed = _compose(status, said)
        if len(said) <= _SHORT and composed[1] < 0:
            if len(_HEADS) >= _MAX_HEADS:
                _HEADS.clear()
            _HEADS[status, said] = composed
    return composed


def lines_of(headers: Iterable[Header]) -> bytes:
    """Header lines, to be put behind a head that `compose` made."""
    head, _, _ = _compose(200, headers)
    return head.removeprefix(_STATUS_LINES[200])


def _compose(status: int, headers: Iterable[Header]) -> Composed:
    """The status line and the headers, without the empty line; the length that the application
    declares, `NO_LENGTH` or `NO_BODY`; whether it wants the connection closed.

    How the body is framed and what becomes of the connection is not the application's to say, so
    `transfer-encoding` and `connection` are left out. Raises `RuntimeError` for what is no header.
    """
    parts = [_STATUS_LINES.get(status) or _no_answer(status)]
    length, closes = NO_LENGTH, False
    for name, value in headers:
        start = _STARTS.get(name) or _start_of(name)
        if start not in _FRAMING:
            parts.append(start)
            parts.append(value)
        elif start == _LENGTH:
            length = _length_of(value, length)
            if status != 204:  # has none, not even 0 (RFC 9110, 8.6)
                parts.append(start)
                parts.append(value)
        elif start == _CONNECTION:
            closes = closes or b"close" in value.lower()
    head = b"".join(parts)
    # Each line but the first begins with the two control characters that end the one before it.
    if len(head) - len(head.translate(None, _CONTROLS)) != len(parts) - 1:
        raise RuntimeError("a header's value has a line break or another control character in it")
    return head, NO_BODY if status in _BODILESS else length, closes


def _no_answer(status: int) -> NoReturn:
    raise RuntimeError(f"an answer cannot have the status {status!r}")


def _start_of(name: bytes) -> bytes:
    """How the line of such a header begins: with the end of the line before it."""
    if not _NAME.fullmatch(name):
        raise RuntimeError(f"a header cannot have the name {name!r}")
    start = b"\r\n" + name.lower() + b": "
    if len(_STARTS) < _MAX_STARTS:
        _STARTS[name] = start
    return start


def _length_of(value: bytes, before: int) -> int:
    if before != NO_LENGTH or not value.isdigit():
        raise RuntimeError(f"a wrong or second content-length: {value!r}")
    return int(value)
