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
    """Begin a new file and keep the old one as `.1`."""
    with suppress(OSError):
        log.replace(log.with_name(f"{log.name}.1"))


def bound(log: Path, max_bytes: int = MAX_LOG_BYTES) -> None:
    """Empty a file that has grown too long, keeping what it held as `.1`.

    Its process has it open for appending and writes on at the new beginning; what it writes
    between the copy and the cut is lost.
    """
    with suppress(OSError):
        if log.stat().st_size > max_bytes:
            shutil.copyfile(log, log.with_name(f"{log.name}.1"))
            os.truncate(log, 0)


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
