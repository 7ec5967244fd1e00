"""Brings a database to this version's schema; refuses one that is newer or not ours."""

from __future__ import annotations

from pathlib import Path
from typing import Final

from alembic import command
from alembic.config import Config
from alembic.runtime.migration import MigrationContext
from alembic.script import ScriptDirectory
from alembic.util.exc import CommandError
from sqlalchemy import Connection, inspect, text

from server.core.errors import StartError

MIGRATIONS: Final = Path(__file__).parent / "migrations"
_LOCK: Final = 7_861_000
"""A number of ours among PostgreSQL's advisory locks: two processes may start at once."""


def alembic_config(connection: Connection) -> Config:
    """What Alembic's commands want; `migrations/env.py` takes the connection from it."""
    config = Config()
    config.set_main_option("script_location", str(MIGRATIONS).replace("%", "%%"))
    config.set_main_option("path_separator", "os")
    config.set_main_option("file_template", "v%%(rev)s_%%(slug)s")
    config.attributes["connection"] = connection
    return config


def upgrade(connection: Connection, shown: str) -> None:
    """All in the transaction of `connection`. Raises `StartError`; `shown` names the database."""
    if connection.dialect.name == "postgresql":
        connection.execute(text("SELECT pg_advisory_xact_lock(:number)"), {"number": _LOCK})
    config = alembic_config(connection)
    _check(connection, ScriptDirectory.from_config(config), shown)
    command.upgrade(config, "head")


def _check(connection: Connection, script: ScriptDirectory, shown: str) -> None:
    current = MigrationContext.configure(connection).get_current_revision()
    if current is None:
        if inspect(connection).get_table_names():
            raise StartError(
                f"The database {shown} holds tables of something else. "
                "Give Shortline a database of its own."
            )
        return
    try:
        script.get_revision(current)
    except CommandError as error:
        raise StartError(
            f"The database {shown} was made by a newer version of Shortline "
            f"(schema {current!r}). Start that version, or restore a backup from before."
        ) from error
