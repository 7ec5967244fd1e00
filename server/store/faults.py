"""What goes wrong in a database, in the words of our error tree.

Codes: https://www.sqlite.org/rescode.html,
https://www.postgresql.org/docs/current/errcodes-appendix.html
"""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager

import asyncpg
from sqlalchemy.exc import DBAPIError
from sqlalchemy.exc import TimeoutError as PoolTimeout

from server.core.errors import Internal, RequestError, StartError, StorageFull, Unavailable
from server.core.limits import RETRY_AFTER_S

DRIVER_ERRORS = (
    DBAPIError,
    PoolTimeout,
    asyncpg.PostgresError,
    asyncpg.InterfaceError,
    OSError,
    TimeoutError,
)
"""Connecting raises asyncpg's own errors and the system's; everything later is wrapped."""

_BUSY = {
    sqlite3.SQLITE_BUSY,
    sqlite3.SQLITE_LOCKED,
    "40001",  # serialization failure
    "40P01",  # deadlock
    "55P03",  # lock_timeout ran out
}
_FULL = {sqlite3.SQLITE_FULL, "53100"}
_DAMAGED = {sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB, "XX001", "XX002"}
_READ_ONLY = {sqlite3.SQLITE_READONLY, "25006"}
_UNREACHABLE = {sqlite3.SQLITE_IOERR, sqlite3.SQLITE_CANTOPEN}
_UNREACHABLE_CLASSES = ("08", "53", "57")  # connection, resources, operator intervention


@contextmanager
def translated() -> Iterator[None]:
    """Raise `Unavailable`, `StorageFull` or `Internal` for what a database did to a request."""
    try:
        yield
    except DRIVER_ERRORS as error:
        meaning = _meaning(error)
        if meaning is None:
            raise
        raise meaning from error


@contextmanager
def at_start(where: str) -> Iterator[None]:
    """Raise `StartError` for everything that a database can do while it is opened."""
    try:
        yield
    except DRIVER_ERRORS as error:
        raise StartError(_advice(where, error)) from error


def damaged(where: str, reason: str) -> StartError:
    return StartError(
        f"The database {where} cannot be used: {reason}. Nothing in it was changed. Put a backup "
        "in its place, or move it away (with its -wal and -shm files) to begin with an empty one."
    )


def _meaning(error: BaseException) -> RequestError | None:
    code = _code(error)
    if code in _BUSY or isinstance(error, PoolTimeout):
        return Unavailable("The database is busy; try again.", retry_after_s=RETRY_AFTER_S)
    if code in _FULL:
        return StorageFull("The disk is full: nothing can be stored until there is space.")
    if code in _DAMAGED:
        return Internal("The database is damaged; it must be restored from a backup.")
    if code in _READ_ONLY:
        return Unavailable("The database is read-only.", retry_after_s=RETRY_AFTER_S)
    if _is_unreachable(error, code):
        return Unavailable("The database cannot be reached.", retry_after_s=RETRY_AFTER_S)
    return None


def _is_unreachable(error: BaseException, code: int | str | None) -> bool:
    if isinstance(code, str):
        return code.startswith(_UNREACHABLE_CLASSES)
    if isinstance(error, DBAPIError):
        return code in _UNREACHABLE or error.connection_invalidated
    return isinstance(error, OSError | asyncpg.InterfaceError)


def _code(error: BaseException) -> int | str | None:
    """SQLite's primary result code, or PostgreSQL's SQLSTATE."""
    cause = error.orig if isinstance(error, DBAPIError) else error
    number = getattr(cause, "sqlite_errorcode", None)
    if isinstance(number, int):
        return number & 0xFF
    state = getattr(cause, "sqlstate", None)
    return state if isinstance(state, str) else None


def _advice(where: str, error: BaseException) -> str:
    code = _code(error)
    cause = (error.orig if isinstance(error, DBAPIError) else error) or error
    reason = str(cause) or type(cause).__name__
    if code in _DAMAGED:
        return str(damaged(where, reason))
    if code in _BUSY:
        return f"The database {where} is held by another program ({reason}). Close it first."
    if code in _FULL:
        return f"The database {where} cannot be opened: the disk is full. Make space first."
    return (
        f"The database {where} cannot be opened: {reason}. "
        "Check that it is there, that it runs, and that this user may write to it."
    )
