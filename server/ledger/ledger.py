"""The one file that all gateways of a machine, and `startup.py key`, share: keys, budgets, usage.

Every method is one short transaction, waits at most `BUSY_S` for another program's, and may be
called from any thread. Raises `Unavailable`, `StorageFull` or `Internal` for what the file does.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from threading import Lock

from server.core.errors import Conflict, NotFound, Unavailable
from server.core.ids import new_id
from server.core.limits import RETRY_AFTER_S
from server.ledger import file as files
from server.ledger import keys, leases, paces, routes, usage
from server.ledger.budget import Lease, Portion, Wish, portion
from server.ledger.faults import at_start, translated
from server.ledger.key import SHOWN_CHARS, Key, digest_of, new_text
from server.ledger.new_key import NewKey
from server.ledger.paces import Pace
from server.ledger.transaction import transaction
from server.ledger.usage import Usage


@dataclass(frozen=True, slots=True)
class Batch:
    """What a process has to say. Saying the leases and paces twice does no harm."""

    usage: list[Usage] = field(default_factory=list)
    leases: list[Lease] = field(default_factory=list)
    paces: list[Pace] = field(default_factory=list)

    def __bool__(self) -> bool:
        return bool(self.usage or self.leases or self.paces)


class Ledger:
    """Made by `open`."""

    def __init__(self, file: Path, db: sqlite3.Connection) -> None:
        self.file = file
        self._identity = files.identity(file)
        self._db = db
        self._turn = Lock()

    @classmethod
    def open(cls, file: Path) -> Ledger:
        """The ledger in `file`, an empty one if there is nothing there. Raises `StartError`."""
        with at_start(file):
            if not files.exists(file):
                files.make(file)
            return cls(file, files.connect(file))

    @classmethod
    def find(cls, file: Path) -> Ledger | None:
        """The same, and None if there is nothing there. Raises `StartError`."""
        with at_start(file):
            return cls(file, files.connect(file)) if files.exists(file) else None

    def close(self) -> None:
        with self._turn:
            self._db.close()

    def all_keys(self) -> list[Key]:
        """Revoked ones too, the oldest first."""
        with self._reading() as db:
            return keys.all_keys(db)

    def digests(self) -> dict[bytes, str]:
        """The key's id behind each `digest_of` its text; revoked ones too."""
        with self._reading() as db:
            return keys.digests(db)

    def create_key(self, wish: NewKey, now: float) -> tuple[Key, str]:
        """The key, and its text, which is nowhere else and can not be had again.

        `now`: seconds since 1970. Raises `Conflict` for a name in use.
        """
        text = new_text()
        key = Key(
            id=new_id("key"),
            name=wish.name,
            limits=wish.limits,
            lane=wish.lane,
            admin=wish.admin,
            shown=text[:SHOWN_CHARS],
            created=now,
            expires=wish.expires,
        )
        with self._writing() as db:
            other = keys.key_named(db, wish.name)
            if other is not None:
                raise Conflict(
                    f"There is a key named {wish.name!r} already ({other.id}); revoke it first, "
                    "or choose another name.",
                    param="name",
                )
            keys.insert_key(db, key, digest_of(text.encode()))
        return key, text

    def revoke_key(self, id_or_name: str, now: float) -> Key:
        """As it is now; once more is no error for an id. Raises `NotFound`."""
        if not id_or_name.isprintable():
            raise NotFound(f"There is no key {id_or_name!r}.")
        with self._writing() as db:
            key = keys.key_with(db, id_or_name) or keys.key_named(db, id_or_name)
            if key is None:
                raise NotFound(f"There is no key {id_or_name!r}.")
            keys.revoke_key(db, key.id, now)
            return keys.key_with(db, key.id) or key

    def lease(self, wish: Wish, now: float) -> Portion:
        """Take part of a day's tokens; on the disk before it returns."""
        with self._writing() as db:
            held = leases.leases_of(db, wish.key, wish.day)
            part = portion(wish, (x for x in held if x.holder != wish.holder), now)
            if part.granted is not None:
                lease = Lease(wish.key, wish.day, wish.holder, part.granted, wish.used, now)
                leases.put_leases(db, [lease])
            return part

    def leases(self, day: int) -> list[Lease]:
        with self._reading() as db:
            return leases.leases_on(db, day)

    def tell(self, batch: Batch) -> None:
        """All of it or nothing."""
        with self._writing() as db:
            usage.add_usage(db, batch.usage)
            leases.put_leases(db, batch.leases)
            paces.put_paces(db, batch.paces)

    def usage(self, since: int) -> list[Usage]:
        """`since`: a day. The newest first."""
        with self._reading() as db:
            return usage.usage_since(db, since)

    def paces(self, told: float) -> list[Pace]:
        """Those that were told after `told`, in seconds since 1970."""
        with self._reading() as db:
            return paces.paces_since(db, told)

    def forget(self, *, leases_before: int, usage_before: int, paces_before: float) -> None:
        """Two days, and seconds since 1970."""
        with self._writing() as db:
            leases.forget_leases(db, leases_before)
            usage.forget_usage(db, usage_before)
            paces.forget_paces(db, paces_before)

    def changes(self) -> dict[str, int]:
        """How often `keys` and `routes` were changed, by whomever."""
        with self._reading() as db:
            return keys.changes(db)

    def routes(self) -> dict[str, str]:
        """The body of each route that was set at run time."""
        with self._reading() as db:
            return routes.all_routes(db)

    def put_route(self, name: str, body: str) -> None:
        with self._writing() as db:
            routes.put_route(db, name, body)

    def delete_route(self, name: str) -> bool:
        """Whether there was one."""
        with self._writing() as db:
            return routes.delete_route(db, name)

    @contextmanager
    def _reading(self) -> Iterator[sqlite3.Connection]:
        with self._turn, translated():
            self._check_place()
            yield self._db

    @contextmanager
    def _writing(self) -> Iterator[sqlite3.Connection]:
        """A transaction, committed when the block ends and rolled back when it raises."""
        with self._turn, translated():
            self._check_place()
            with transaction(self._db):
                yield self._db

    def _check_place(self) -> None:
        """Who opens the ledger now must get the one that we hold, or both give out one budget."""
        if files.identity(self.file) != self._identity:
            raise Unavailable(
                "The ledger's file was moved or replaced; a restart reads the one that is there.",
                retry_after_s=RETRY_AFTER_S,
            )
