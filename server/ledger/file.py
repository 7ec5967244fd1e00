"""The ledger's file: made once, never in place of another one, read by its owner only."""

from __future__ import annotations

import os
import sqlite3
from pathlib import Path
from typing import Final

from server.core.errors import StartError
from server.core.ids import new_uuid
from server.ledger.faults import damaged
from server.ledger.schema import APPLICATION, VERSION, create

BUSY_S: Final = 2.0
"""How long a transaction waits for another program's."""
_MAGIC: Final = b"SQLite format 3\0"
_MODE: Final = 0o600
_FOLDER_MODE: Final = 0o700
BESIDE: Final = ("-wal", "-shm", "-journal")


def exists(file: Path) -> bool:
    """Whether there is a ledger. Raises `StartError` for something else in its place."""
    if not file.exists():
        if file.with_name(file.name + "-wal").exists():
            raise damaged(file, "the file is gone and only its -wal file is left")
        return False
    with file.open("rb") as opened:
        head = opened.read(len(_MAGIC))
    if head != _MAGIC:
        reason = "the file is empty" if not head else "the file is not an SQLite database"
        raise damaged(file, reason)
    return True


def make(file: Path) -> None:
    """Build an empty ledger beside `file` and give it that name, unless somebody was quicker.

    Gateways start at the same time and `startup.py key` may run with them: a file that is there
    holds keys already, and must not be replaced.
    """
    file.parent.mkdir(mode=_FOLDER_MODE, parents=True, exist_ok=True)
    new = file.with_name(f"{file.name}.{new_uuid()}.new")
    try:
        os.close(os.open(new, os.O_CREAT | os.O_EXCL | os.O_WRONLY, _MODE))
        db = sqlite3.connect(new, isolation_level=None)
        try:
            create(db)
            db.execute("PRAGMA journal_mode = WAL")  # stays so; two cannot change it at once
        finally:
            db.close()
        os.link(new, file)
        _sync_folder(file.parent)
    except FileExistsError:
        pass
    finally:
        for path in (new, *(new.with_name(new.name + suffix) for suffix in BESIDE)):
            path.unlink(missing_ok=True)


def connect(file: Path) -> sqlite3.Connection:
    """For use by any thread, by one at a time. Raises `StartError` for a file that is not ours."""
    for path in (file, *(file.with_name(file.name + suffix) for suffix in BESIDE)):
        if path.exists():
            path.chmod(_MODE)
    db = sqlite3.connect(file, timeout=BUSY_S, isolation_level=None, check_same_thread=False)
    try:
        _check(db, file)
        db.execute("PRAGMA journal_mode = WAL")
        db.execute("PRAGMA synchronous = FULL")  # what is acknowledged survives a power cut
    except BaseException:
        db.close()
        raise
    return db


def identity(file: Path) -> tuple[int, int] | None:
    """Says which file stands under this name; None: there is none."""
    try:
        status = file.stat()
    except OSError:
        return None
    return status.st_dev, status.st_ino


def _check(db: sqlite3.Connection, file: Path) -> None:
    if db.execute("PRAGMA application_id").fetchone()[0] != APPLICATION:
        raise damaged(file, "it is a database of something else")
    version = db.execute("PRAGMA user_version").fetchone()[0]
    if version > VERSION:
        raise StartError(
            f"The ledger {file} was made by a newer version of Shortline (schema {version}). "
            "Start that version, or restore a backup from before."
        )
    problem = db.execute("PRAGMA quick_check(1)").fetchone()[0]
    if problem != "ok":
        raise damaged(file, problem)


def _sync_folder(folder: Path) -> None:
    handle = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
