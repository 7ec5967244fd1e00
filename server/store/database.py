"""The one way to the database: short transactions, with faults told in our own words."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import anyio
from sqlalchemy import URL, make_url
from sqlalchemy.exc import ArgumentError
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

from server.core.errors import RequestError, StartError, Unavailable
from server.core.limits import RETRY_AFTER_S
from server.store import sqlite_file
from server.store.engine import BEGIN, POSTGRES, SQLITE, TURN_S, make_engine
from server.store.faults import at_start, damaged, translated
from server.store.migrate import upgrade

log = logging.getLogger(__name__)


class Database:
    """Made by `open`. A transaction is open for the length of one `async with`, never longer."""

    def __init__(self, engine: AsyncEngine) -> None:
        self._engine = engine
        self._is_sqlite = engine.dialect.name == "sqlite"
        self._writer = engine.execution_options(**{BEGIN: "BEGIN IMMEDIATE"})
        self._no_transaction = engine.execution_options(**{BEGIN: ""})
        # SQLite has one writer at a time; here they queue without being polled for.
        self._turn = asyncio.Lock()

    @classmethod
    async def open(cls, url: str) -> Database:
        """The database at `url`, brought to this version's schema.

        `url`: `sqlite+aiosqlite:///` and an absolute path, or `postgresql+asyncpg://…`.
        Raises `StartError`, and then nothing was changed.
        """
        where = _read_url(url)
        if where.drivername == SQLITE:
            await _ensure_file(where)
        return await cls._opened(where)

    @classmethod
    async def _opened(cls, where: URL) -> Database:
        database = cls(make_engine(where))
        try:
            with at_start(_shown(where)):
                await database._prepare(_shown(where))
        except BaseException:
            await database.aclose()
            raise
        return database

    async def _prepare(self, shown: str) -> None:
        async with self._writer.begin() as connection:
            if self._is_sqlite:
                found = await connection.exec_driver_sql("PRAGMA quick_check(1)")
                if (problem := found.scalar_one()) != "ok":
                    raise damaged(shown, problem)
            await connection.run_sync(upgrade, shown)

    async def aclose(self) -> None:
        await self._engine.dispose()

    @asynccontextmanager
    async def reading(self) -> AsyncIterator[AsyncConnection]:
        """One moment of the database, for as long as the block lasts."""
        with translated():
            async with self._engine.connect() as connection:
                yield connection

    @asynccontextmanager
    async def writing(self) -> AsyncIterator[AsyncConnection]:
        """A transaction, committed when the block ends and rolled back when it raises.

        Cancellation waits for its end, so that nobody has to guess whether it took place.
        """
        with translated():
            async with self._my_turn():
                with anyio.CancelScope(shield=True):  # every wait inside has a limit of its own
                    async with self._writer.begin() as connection:
                        yield connection

    async def wipe(self) -> None:
        """Empty SQLite's log into its file, so that deleted text is on the disk no more.

        Raises nothing: what was deleted is deleted, and the next checkpoint does the same.
        """
        if not self._is_sqlite:
            return
        try:
            with translated(), anyio.CancelScope(shield=True):
                async with self._my_turn(), self._no_transaction.connect() as connection:
                    found = await connection.exec_driver_sql("PRAGMA wal_checkpoint(TRUNCATE)")
                    if found.scalar_one():
                        log.warning("deleted text stays in the log until the next checkpoint")
        except RequestError as error:
            log.warning("the database's log was not emptied", extra={"reason": error.message})

    @asynccontextmanager
    async def _my_turn(self) -> AsyncIterator[None]:
        if not self._is_sqlite:
            yield
            return
        try:
            async with asyncio.timeout(TURN_S):
                await self._turn.acquire()
        except TimeoutError as error:
            raise Unavailable(
                "The database is busy; try again.", retry_after_s=RETRY_AFTER_S
            ) from error
        try:
            yield
        finally:
            self._turn.release()


async def _ensure_file(where: URL) -> None:
    file = Path(where.database or "")
    with at_start(str(file)):
        if await anyio.to_thread.run_sync(sqlite_file.exists, file):
            return
        new = await anyio.to_thread.run_sync(sqlite_file.prepare, file)
        database = await Database._opened(where.set(database=str(new)))
        await database.aclose()
        await anyio.to_thread.run_sync(sqlite_file.publish, new, file)


def _read_url(url: str) -> URL:
    try:
        where = make_url(url)
    except ArgumentError as error:
        raise StartError(f"{_FORMS} What is set is not a URL.") from error
    if where.drivername == SQLITE and Path(where.database or "").is_absolute():
        return where
    if where.drivername == POSTGRES:
        return where
    raise StartError(f"{_FORMS} What is set is {_shown(where)!r}.")


_FORMS = (
    f"A database is named as {SQLITE}:///ABSOLUTE/PATH or as {POSTGRES}://USER:PASSWORD@HOST/NAME."
)


def _shown(where: URL) -> str:
    """For a message: a path, or a URL without its password."""
    if where.drivername == SQLITE:
        return where.database or ""
    return where.render_as_string(hide_password=True)
