from __future__ import annotations

import pytest
from alembic.autogenerate import compare_metadata
from alembic.runtime.migration import MigrationContext
from sqlalchemy import Connection, text

from server.core.errors import StartError
from server.store.database import Database
from server.store.tables import metadata
from tests.store.conftest import Store


async def test_the_migrations_make_exactly_the_tables(store: Store) -> None:
    def differences(connection: Connection) -> object:
        return compare_metadata(MigrationContext.configure(connection), metadata)

    async with store.database.reading() as connection:
        assert await connection.run_sync(differences) == []


async def test_a_schema_from_the_future_is_refused_and_left_alone(url: str, store: Store) -> None:
    asked = await store.exchange()
    async with store.database.writing() as connection:
        await connection.execute(text("UPDATE alembic_version SET version_num = '9999'"))
    with pytest.raises(StartError, match="newer version"):
        await Database.open(url)
    assert (await store.messages.get("ann", asked.id)).response == "so"


async def test_a_database_of_something_else_is_refused(url: str, store: Store) -> None:
    async with store.database.writing() as connection:
        await connection.execute(text("DROP TABLE alembic_version"))
    with pytest.raises(StartError, match="of its own"):
        await Database.open(url)
