"""What `/v1` keeps (responses, chats, conversations): in a file of its own beside the ledger, or in
memory without one.

Answers hold whole conversations and come many times a second; in a file of their own they hold up
no key's budget. Whoever has no ledger gets the same in memory, and loses it with the process.
"""

from __future__ import annotations

import os
import sqlite3
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Final, Literal

from server.core.errors import Internal, NotFound, TooLarge, Unavailable
from server.ledger import items
from server.ledger.chats import Wanted, chats_of
from server.ledger.faults import translated
from server.ledger.file import BUSY_S
from server.ledger.items import Addition
from server.ledger.kept_schema import prepare
from server.ledger.ledger import Ledger
from server.ledger.transaction import transaction

FILE: Final = "responses.db"
Kind = Literal["response", "chat", "conversation"]
KEEP_S: Final = 30 * 86_400.0
"""What is older is there no more."""
MAX_RESPONSES: Final = 10_000
"""And chats and conversations, of one key; its oldest make room for its newest."""
MAX_BYTES: Final = 256 * 1024 * 1024
"""The same, of all of them together."""
MAX_IN_MEMORY: Final = 1_000
"""The same where there is no file,"""
MAX_BYTES_IN_MEMORY: Final = 32 * 1024 * 1024
MAX_CHAIN: Final = 1_000
"""Responses that one conversation may go back."""
LOST_S: Final = 15.0
"""Who makes a response and has not said so for so long is dead."""
SWEPT_WITH_EACH: Final = 2
"""Of those that are too old, with each that comes: so there are never more and more."""
_MODE: Final = 0o600

_SWEEP: Final = (
    "DELETE FROM responses WHERE id IN "
    "(SELECT id FROM responses WHERE created < ? ORDER BY created LIMIT ?)"
)
_COLUMNS: Final = (
    "id, owner, previous, created, holder, beaten, input, document, kind, model, metadata"
)
_LISTED: Final = _COLUMNS.replace(" input,", " x'',")
"""All but what was asked, which may be long, and is in no list."""
_PUT: Final = f"INSERT INTO responses ({_COLUMNS}) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)"


@dataclass(frozen=True, slots=True)
class Kept:
    """One response, chat or conversation. What is in `input` and `document` is the gateway's
    affair."""

    id: str
    owner: str
    """The id of the key that made it; empty: nobody's."""
    previous: str | None
    """The id of the response that it follows."""
    created: float
    """Seconds since 1970; of a conversation, when something was last added to it."""
    holder: str
    """The process that makes it; empty: it is done."""
    beaten: float
    """When that process last said that it lives; seconds since 1970."""
    input: bytes
    document: bytes
    kind: Kind = "response"
    model: str = ""
    """Of a chat: which one answered."""
    metadata: str = ""
    """As JSON, of what may get another one later; a response has its own in `document`."""

    def is_lost(self, now: float) -> bool:
        """Whether nobody makes it any more."""
        return bool(self.holder) and self.beaten < now - LOST_S


class Answers:
    """Made by `open`; for one thread at a time.

    Every method is one short transaction. Raises `Unavailable`, `StorageFull` or `Internal` for
    what the file does. `now` is in seconds since 1970.
    """

    def __init__(self, db: sqlite3.Connection, most: int, most_bytes: int) -> None:
        self._db = db
        self._most = most
        self._most_bytes = most_bytes

    @classmethod
    def open(cls, file: Path | None) -> Answers:
        """Those in `file`, which is made if it is not there; None: in memory."""
        with _translated():
            if file is None:
                db = sqlite3.connect(":memory:", isolation_level=None, check_same_thread=False)
                answers = cls(db, MAX_IN_MEMORY, MAX_BYTES_IN_MEMORY)
            else:
                answers = cls(_connect(file), MAX_RESPONSES, MAX_BYTES)
            with answers.writing() as db:
                prepare(db)
            return answers

    def close(self) -> None:
        self._db.close()

    def put(self, *several: Kept | Addition) -> None:
        """All of them are on the disk before it returns, or none: one disk's wait for many.

        Of each owner, the oldest that are done make room. What is added to a conversation that is
        gone is gone with it.
        """
        with self.writing() as db:
            for new in several:
                if isinstance(new, Kept):
                    db.execute(_PUT, _row(new))
                    self.make_room(db, new.owner, new.id)
                elif items.append(db, new):
                    self.make_room(db, new.owner, new.conversation)
                db.execute(_SWEEP, (new.created - KEEP_S, SWEPT_WITH_EACH))

    def finish(self, id: str, document: bytes, added: Addition | None = None) -> bool:
        """Whether it was still being made: the first end of a response is the one that counts.

        `added`: what its conversation gets of it then.
        """
        with self.writing() as db:
            found = db.execute(
                "UPDATE responses SET document = ?, holder = '' WHERE id = ? AND holder != ''",
                (document, id),
            )
            if found.rowcount and added is not None and items.append(db, added):
                self.make_room(db, added.owner, added.conversation)
            return found.rowcount > 0

    def find(self, owner: str, id: str, now: float, kind: Kind = "response") -> Kept | None:
        with self.reading() as db:
            row = db.execute(
                f"SELECT {_COLUMNS} FROM responses "
                "WHERE id = ? AND owner = ? AND kind = ? AND created >= ?",
                (id, owner, kind, now - KEEP_S),
            ).fetchone()
        return Kept(*row) if row else None

    def chats(self, owner: str, wanted: Wanted, now: float) -> list[Kept] | None:
        """Without their input. None: the chat behind which they begin is not there."""
        with self.reading() as db:
            rows = chats_of(db, owner, now - KEEP_S, wanted)
            query = f"SELECT {_LISTED} FROM responses WHERE rowid = ?"
            found = [db.execute(query, (row,)).fetchone() for row in rows or ()]
        return None if rows is None else [Kept(*row) for row in found if row]

    def relabel(self, owner: str, id: str, kind: Kind, metadata: str, now: float) -> Kept | None:
        """As it is with other metadata; None: there is no such thing."""
        with self.writing() as db:
            db.execute(
                "UPDATE responses SET metadata = ? WHERE id = ? AND owner = ? AND kind = ?",
                (metadata, id, owner, kind),
            )
            return self.find(owner, id, now, kind)

    def chain(self, owner: str, id: str, now: float, most_bytes: int) -> list[Kept]:
        """The response and all that it follows, the first one first.

        Raises `NotFound` that names the one that is missing, and `TooLarge`.
        """
        found: list[Kept] = []
        size, wanted = 0, id
        while True:
            kept = self.find(owner, wanted, now)
            if kept is None:
                raise NotFound(wanted)
            found.append(kept)
            size += len(kept.input) + len(kept.document)
            if size > most_bytes or len(found) > MAX_CHAIN:
                raise TooLarge(
                    f"The conversation before this response has more than {most_bytes} bytes "
                    f"or {MAX_CHAIN} responses; begin a new one.",
                    param="previous_response_id",
                )
            if kept.previous is None:
                return found[::-1]
            wanted = kept.previous

    def delete(self, owner: str, id: str, kind: Kind = "response") -> bool:
        """Whether there was one."""
        with self.writing() as db:
            gone = db.execute(
                "DELETE FROM responses WHERE id = ? AND owner = ? AND kind = ?", (id, owner, kind)
            )
            return gone.rowcount > 0

    def beat(self, holder: str, ids: Iterable[str], now: float) -> set[str]:
        """Say that `holder` still makes `ids`. Returns those that it is to go on making: others
        may have cancelled, deleted or given up the rest."""
        with self.writing() as db:
            return {
                id
                for id in ids
                if db.execute(
                    "UPDATE responses SET beaten = ? WHERE id = ? AND holder = ?",
                    (now, id, holder),
                ).rowcount
            }

    def make_room(self, db: sqlite3.Connection, owner: str, newest: str) -> None:
        """Within a transaction. `newest` itself always stays."""
        while True:
            number, size = db.execute(
                "SELECT responses, bytes FROM owners WHERE id = ?", (owner,)
            ).fetchone()
            if number <= self._most and size <= self._most_bytes:
                return
            gone = db.execute(
                "DELETE FROM responses WHERE id = (SELECT id FROM responses "
                "WHERE owner = ? AND holder = '' AND id != ? ORDER BY created LIMIT 1)",
                (owner, newest),
            )
            if not gone.rowcount:
                return

    @contextmanager
    def reading(self) -> Iterator[sqlite3.Connection]:
        with _translated():
            yield self._db

    @contextmanager
    def writing(self) -> Iterator[sqlite3.Connection]:
        """A transaction, committed when the block ends and rolled back when it raises."""
        with _translated(), transaction(self._db):
            yield self._db


@contextmanager
def _translated() -> Iterator[None]:
    """As for the ledger, but it is another file that the operator must look at."""
    try:
        with translated():
            yield
    except (Unavailable, Internal) as error:
        message = error.message.replace("The ledger", f"The file {FILE} beside the ledger")
        told = type(error)(message, retry_after_s=error.retry_after_s)
        raise told from error.__cause__


def beside(ledger: Ledger) -> Path:
    """Where the answers lie whose keys are in `ledger`."""
    return ledger.file.with_name(FILE)


def _row(kept: Kept) -> tuple[object, ...]:
    return (
        kept.id,
        kept.owner,
        kept.previous,
        kept.created,
        kept.holder,
        kept.beaten,
        kept.input,
        kept.document,
        kept.kind,
        kept.model,
        kept.metadata,
    )


def _connect(file: Path) -> sqlite3.Connection:
    with suppress(OSError):  # it is there, or else SQLite says what is wrong
        os.close(os.open(file, os.O_CREAT | os.O_EXCL | os.O_WRONLY, _MODE))
    db = sqlite3.connect(file, timeout=BUSY_S, isolation_level=None, check_same_thread=False)
    try:
        # Two that begin at once cannot both change it. Who could not goes on all the same: what
        # the other one said holds for the file.
        with suppress(sqlite3.OperationalError):
            db.execute("PRAGMA journal_mode = WAL")
        db.execute("PRAGMA synchronous = FULL")  # what is acknowledged survives a power cut
    except BaseException:
        db.close()
        raise
    return db
