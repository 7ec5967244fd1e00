"""Faults of a database while it serves: what a request hears, and what is there afterwards."""

from __future__ import annotations

import asyncio
import sqlite3
from collections.abc import AsyncIterator
from pathlib import Path

import anyio
import pytest
from sqlalchemy import text

from server.core.errors import StorageFull, Unavailable
from server.store.database import Database
from server.store.messages import Outcome
from tests.store.conftest import ANN, Store, connect, postgres_database, sqlite_url


@pytest.fixture
async def on_sqlite(tmp_path: Path) -> AsyncIterator[Store]:
    database = await Database.open(sqlite_url(tmp_path / "store.db"))
    yield Store(database)
    await database.aclose()


async def test_writers_of_one_process_do_not_lock_one_another_out(store: Store) -> None:
    async def one(number: int) -> None:
        asked = await store.ask(str(number))
        await store.messages.save({asked.id: "so"})
        await store.messages.finish(asked.id, Outcome("complete", "so it is"))

    await asyncio.gather(*(one(number) for number in range(40)))
    page = await store.conversations.page(ANN, limit=100)
    assert [item.running for item in page.items] == [False] * 40


@pytest.mark.slow
async def test_a_locked_file_is_waited_for_and_then_told(on_sqlite: Store, tmp_path: Path) -> None:
    asked = await on_sqlite.exchange()
    other = sqlite3.connect(tmp_path / "store.db", isolation_level=None)
    other.execute("BEGIN IMMEDIATE")
    results = await asyncio.gather(*(on_sqlite.ask() for _ in range(3)), return_exceptions=True)
    assert [type(result) for result in results] == [Unavailable] * 3
    assert all(isinstance(r, Unavailable) and r.retry_after_s for r in results)
    assert (await on_sqlite.messages.get(ANN, asked.id)).response == "so"
    other.execute("ROLLBACK")
    other.close()
    await on_sqlite.ask()


async def test_a_full_disk_is_told_and_loses_nothing(on_sqlite: Store) -> None:
    asked = await on_sqlite.exchange()
    async with on_sqlite.database.reading() as connection:
        pages = (await connection.exec_driver_sql("PRAGMA page_count")).scalar_one()
        await connection.exec_driver_sql(f"PRAGMA max_page_count = {pages}")
    with pytest.raises(StorageFull) as caught:
        await on_sqlite.ask("x" * 100_000)
    assert (caught.value.status, caught.value.code) == (507, "storage_full")
    assert (await on_sqlite.messages.get(ANN, asked.id)).response == "so"
    assert len((await on_sqlite.conversations.page(ANN, limit=9)).items) == 1
    async with on_sqlite.database.reading() as connection:
        await connection.exec_driver_sql("PRAGMA max_page_count = 1000000")
    await on_sqlite.ask("x" * 100_000)


async def test_a_deleted_conversation_is_nowhere_on_the_disk(
    on_sqlite: Store, tmp_path: Path
) -> None:
    canary = "canary-5f3c"
    asked = await on_sqlite.exchange(canary * 3, canary * 2000, conversation_name=canary)
    await on_sqlite.exchange("stays")
    assert canary_files(tmp_path, canary)
    await on_sqlite.conversations.delete(ANN, asked.conversation_id)
    assert canary_files(tmp_path, canary) == []


def canary_files(folder: Path, canary: str) -> list[str]:
    return [file.name for file in folder.iterdir() if canary.encode() in file.read_bytes()]


async def test_a_cancelled_write_is_whole_or_absent_and_holds_nobody_up(store: Store) -> None:
    for delay in range(12):
        with anyio.move_on_after(delay / 1000):
            await store.ask(f"cancelled after {delay} ms")
        await store.ask("next")
    page = await store.conversations.page(ANN, limit=100)
    for item in page.items:
        assert len(await store.messages.all(ANN, item.id)) == 1


async def test_a_lost_server_is_told_and_found_again() -> None:
    async with postgres_database() as url:
        store = Store(await Database.open(url))
        asked = await store.exchange()
        other = await connect(url)
        await other.execute(
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity "
            "WHERE application_name = 'shortline' AND datname = current_database()"
        )
        assert (await store.messages.get(ANN, asked.id)).response == "so"
        with pytest.raises(Unavailable):
            async with store.database.writing() as connection:
                await connection.execute(text("SELECT pg_terminate_backend(pg_backend_pid())"))
        await store.ask()
        await other.close()
        await store.database.aclose()


@pytest.mark.slow
async def test_a_row_that_is_locked_too_long_is_told() -> None:
    async with postgres_database() as url:
        store = Store(await Database.open(url))
        asked = await store.exchange()
        other = await connect(url)
        async with other.transaction():
            await other.execute("LOCK TABLE conversations")
            with pytest.raises(Unavailable) as caught:
                await store.ask(conversation_id=asked.conversation_id)
        assert caught.value.retry_after_s
        await other.close()
        await store.database.aclose()
