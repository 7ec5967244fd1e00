"""Writes the next migration: what `tables.py` has and the newest schema has not."""

from __future__ import annotations

import sys

from alembic import command
from sqlalchemy import create_engine

from server.store.migrate import alembic_config, upgrade


def main(message: str) -> None:
    engine = create_engine("sqlite://")
    with engine.begin() as connection:
        upgrade(connection, "in memory")
        command.revision(alembic_config(connection), message, autogenerate=True)


if __name__ == "__main__":
    main(sys.argv[1])
