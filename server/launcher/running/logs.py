"""The log file of each process: appended to, bounded, and quoted when something fails."""

from __future__ import annotations

import json
import logging
import os
import re
import shutil
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from server.core.log import JsonLines

MAX_LOG_BYTES = 20 * 1024 * 1024
KEPT_LOGS = 3
"""Of each process, beside the one being written: `NAME.log.1` is the youngest. A start begins a new
one, and so does a log that is full."""
TAIL_BYTES = 16 * 1024
TAIL_LINES = 12
_CONTROL = re.compile(
    r"[^\x20-\x7e\u00a0-\uffff\U00010000-\U0010ffff]|[\u200e-\u202e\u2066-\u2069]"
)


@contextmanager
def open_log(log: Path) -> Iterator[int]:
    """A descriptor that appends to `log`; one that forgets if the disk does not want it."""
    try:
        handle = os.open(log, os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC, 0o600)
    except OSError:
        handle = os.open(os.devnull, os.O_WRONLY | os.O_CLOEXEC)
    try:
        yield handle
    finally:
        os.close(handle)


def rotate(log: Path) -> None:
    """Begin a new file and keep the old ones; an empty one is not worth its place."""
    with suppress(OSError):
        if log.stat().st_size:
            _age(log)
            log.replace(_older(log, 1))


def bound(log: Path, max_bytes: int = MAX_LOG_BYTES) -> None:
    """Empty a file that has grown too long, keeping the end of what it held as `.1`.

    Its process has it open for appending and writes on at the new beginning; what it writes
    between the copy and the cut is lost.
    """
    with suppress(OSError):
        if log.stat().st_size > max_bytes:
            _age(log)
            _copy_end(log, _older(log, 1), max_bytes)
            os.truncate(log, 0)


def _older(log: Path, age: int) -> Path:
    return log.with_name(f"{log.name}.{age}")


def _age(log: Path) -> None:
    """Make room for a new `.1`; the oldest goes. Raises `OSError`."""
    for age in range(KEPT_LOGS, 1, -1):
        with suppress(FileNotFoundError):
            _older(log, age - 1).replace(_older(log, age))


def _copy_end(log: Path, to: Path, max_bytes: int) -> None:
    """Between two looks a process may write more than it should. Raises `OSError`."""
    with log.open("rb") as source, open(to, "wb", opener=_private) as target:
        source.seek(-min(max_bytes, log.stat().st_size), os.SEEK_END)
        shutil.copyfileobj(source, target)


def _private(path: str, flags: int) -> int:
    return os.open(path, flags, 0o600)


def tail(log: Path, lines: int = TAIL_LINES) -> list[str]:
    """The last lines for people: the message and the exception of our own JSON lines."""
    try:
        with log.open("rb") as file:
            file.seek(max(0, log.stat().st_size - TAIL_BYTES))
            text = file.read().decode("utf-8", "replace")
    except OSError:
        return []
    readable = [part for line in text.splitlines() for part in _readable(line)]
    return readable[-lines:]


def printable(text: str) -> str:
    """Without what could steer a terminal."""
    return _CONTROL.sub("�", text)


def log_to(file: Path, level: str) -> None:
    """Send the launcher's own log there, and nothing of it to the terminal."""
    try:
        handler: logging.Handler = logging.FileHandler(file, encoding="utf-8", delay=False)
    except OSError:
        handler = logging.NullHandler()
    handler.setFormatter(JsonLines("launcher"))
    logging.basicConfig(level=level.upper(), handlers=[handler], force=True)
    logging.raiseExceptions = False  # a full disk must not stop us
    for chatty in ("httpx", "httpcore", "asyncio"):
        logging.getLogger(chatty).setLevel(logging.WARNING)


def _readable(line: str) -> list[str]:
    try:
        event = json.loads(line)
        parts = [f"{event['level']}: {event['message']}", *event.get("exception", "").splitlines()]
    except (ValueError, TypeError, KeyError, AttributeError):
        parts = [line]
    return [printable(part.replace("\t", "    ")) for part in parts if part.strip()]
