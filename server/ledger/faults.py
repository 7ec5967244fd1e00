"""What goes wrong in the ledger's file, in the words of our error tree.

Codes: https://www.sqlite.org/rescode.html
"""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from server.core.errors import (
    BadRequest,
    Internal,
    RequestError,
    StartError,
    StorageFull,
    Unavailable,
)
from server.core.limits import RETRY_AFTER_S

_BUSY = {sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED}
_DAMAGED = {sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB}


@contextmanager
def translated() -> Iterator[None]:
    """Raise `Unavailable`, `StorageFull` or `Internal` for whatever SQLite could not do.

    `BadRequest` for a text that is none.
    """
    try:
        yield
    except UnicodeEncodeError as error:
        raise BadRequest("A text holds half of a surrogate pair.") from error
    except sqlite3.Error as error:
        raise _meaning(error) from error


@contextmanager
def at_start(file: Path) -> Iterator[None]:
    """Raise `StartError` for whatever can happen while the file is opened."""
    try:
        yield
    except (sqlite3.Error, OSError) as error:
        raise _advice(file, error) from error


def damaged(file: Path, reason: str) -> StartError:
    return StartError(
        f"The ledger {file} cannot be used: {reason}. Nothing in it was changed. Put a backup in "
        "its place, or move it away (with its -wal and -shm files) to begin with an empty one: "
        "every key is unknown then."
    )


def _meaning(error: sqlite3.Error) -> RequestError:
    code = _code(error)
    if code in _BUSY:
        return Unavailable("The ledger is busy; try again.", retry_after_s=RETRY_AFTER_S)
    if code == sqlite3.SQLITE_FULL:
        return StorageFull("The disk is full: nothing can be stored until there is space.")
    if code in _DAMAGED:
        return Internal("The ledger is damaged; it must be restored from a backup.")
    if code == sqlite3.SQLITE_READONLY:
        return Unavailable("The ledger is read-only.", retry_after_s=RETRY_AFTER_S)
    return Unavailable("The ledger cannot be reached.", retry_after_s=RETRY_AFTER_S)


def _advice(file: Path, error: Exception) -> StartError:
    code = _code(error)
    if code in _DAMAGED:
        return damaged(file, str(error))
    if code in _BUSY:
        return StartError(f"The ledger {file} is held by another program. Close that first.")
    if code == sqlite3.SQLITE_FULL:
        return StartError(f"The ledger {file} cannot be opened: the disk is full.")
    return StartError(
        f"The ledger {file} cannot be opened: {error}. "
        "Check that it is there and that this user may write to it."
    )


def _code(error: Exception) -> int | None:
    """SQLite's primary result code."""
    number = getattr(error, "sqlite_errorcode", None)
    return number & 0xFF if isinstance(number, int) else None
