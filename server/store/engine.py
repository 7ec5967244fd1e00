"""How each kind of database is spoken to."""

from __future__ import annotations

from typing import Any, Final

from sqlalchemy import URL, Connection, event
from sqlalchemy.engine.interfaces import DBAPIConnection
from sqlalchemy.ext.asyncio import AsyncEngine, create_async_engine
from sqlalchemy.pool import ConnectionPoolEntry

SQLITE: Final = "sqlite+aiosqlite"
POSTGRES: Final = "postgresql+asyncpg"
BUSY_S: Final = 5.0
"""Nobody waits longer for a lock of somebody else."""
TURN_S: Final = 30.0
"""How long writers of this process queue for one another, in a burst of questions."""
COMMAND_S: Final = 30.0
CONNECTIONS: Final = 5
MORE_CONNECTIONS: Final = 15
"""For a moment of many readers."""

BEGIN: Final = "shortline_begin"
"""The execution option that says how SQLite begins; empty: no transaction at all."""

_PRAGMAS: Final = (
    "PRAGMA busy_timeout = 5000",
    "PRAGMA journal_mode = WAL",
    "PRAGMA synchronous = FULL",  # what is acknowledged survives a power cut
    "PRAGMA foreign_keys = ON",
    "PRAGMA secure_delete = ON",  # what is deleted is overwritten
)


def make_engine(url: URL) -> AsyncEngine:
    """Opens nothing yet."""
    if url.drivername == SQLITE:
        return _sqlite(url)
    return create_async_engine(
        url,
        pool_size=CONNECTIONS,
        max_overflow=MORE_CONNECTIONS,
        pool_timeout=BUSY_S,
        pool_pre_ping=True,  # the server may have been restarted since
        connect_args={
            "timeout": BUSY_S,
            "command_timeout": COMMAND_S,
            "server_settings": {
                "application_name": "shortline",
                "lock_timeout": str(int(BUSY_S * 1000)),
            },
        },
    )


def _sqlite(url: URL) -> AsyncEngine:
    engine = create_async_engine(
        url, pool_size=CONNECTIONS, max_overflow=MORE_CONNECTIONS, pool_timeout=BUSY_S
    )
    event.listen(engine.sync_engine, "connect", _set_up)
    event.listen(engine.sync_engine, "begin", _begin)
    return engine


def _set_up(connection: DBAPIConnection, _: ConnectionPoolEntry) -> None:
    # The driver would begin transactions late, and none before DDL or a SELECT.
    connection.isolation_level = None
    for pragma in _PRAGMAS:
        cursor = connection.cursor()
        cursor.execute(pragma)
        cursor.close()
    # SQLite's own knows ASCII only.
    connection.create_function("lower", 1, _lower, deterministic=True)


def _lower(value: Any) -> Any:
    return value.lower() if isinstance(value, str) else value


def _begin(connection: Connection) -> None:
    begin = connection.get_execution_options().get(BEGIN, "BEGIN")
    if begin:
        connection.exec_driver_sql(begin)
