"""The file of an SQLite database: never made anew in place of one, read by its owner only."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Final

from server.store.faults import damaged

_MAGIC: Final = b"SQLite format 3\0"
_MODE: Final = 0o600
BESIDE: Final = ("-wal", "-shm", "-journal")
"""What SQLite puts beside a database; its text may stand there too."""


def exists(file: Path) -> bool:
    """Whether there is a database. Raises `StartError` for something else in its place.

    A new database appears under its name only when it is complete (`prepare`, `publish`), so an
    empty file, or a log without its database, is what is left of a damaged one.
    """
    if not file.exists():
        if _beside(file, "-wal").exists():
            raise damaged(str(file), "the file is gone and only its -wal file is left")
        return False
    with file.open("rb") as opened:
        head = opened.read(len(_MAGIC))
    if head != _MAGIC:
        reason = "the file is empty" if not head else "the file is not an SQLite database"
        raise damaged(str(file), reason)
    for path in (file, *(_beside(file, suffix) for suffix in BESIDE)):
        if path.exists():
            path.chmod(_MODE)
    return True


def prepare(file: Path) -> Path:
    """An empty file beside `file`, in which a new database can be built."""
    file.parent.mkdir(parents=True, exist_ok=True)
    new = file.with_name(file.name + ".new")
    for path in (new, *(_beside(new, suffix) for suffix in BESIDE)):
        path.unlink(missing_ok=True)
    os.close(os.open(new, os.O_CREAT | os.O_EXCL | os.O_WRONLY, _MODE))
    return new


def publish(new: Path, file: Path) -> None:
    """Give what `prepare` began its name, for good."""
    new.replace(file)
    folder = os.open(file.parent, os.O_RDONLY)
    try:
        os.fsync(folder)
    finally:
        os.close(folder)


def _beside(file: Path, suffix: str) -> Path:
    return file.with_name(file.name + suffix)
