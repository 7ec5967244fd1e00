"""Every test of the store runs twice: on a new SQLite file and on a new PostgreSQL database."""

from __future__ import annotations

import os
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from uuid import uuid4

import asyncpg
import pytest
from sqlalchemy import make_url

from server.store.conversations import Conversations
from server.store.database import Database
from server.store.messages import Messages, NewMessage, Outcome
from server.wire.browser import ChatRequest, GenerationSettings, Message
from tests.fakes.clock import ManualClock

POSTGRES = os.environ.get("TEST_POSTGRES_URL", "postgresql+asyncpg://postgres@127.0.0.1:5432/test")
"""A server on which its user may create databases."""
ANN, BOB = "ann", "bob"


@dataclass
class Store:
    database: Database
    clock: ManualClock = field(default_factory=ManualClock)

    def __post_init__(self) -> None:
        self.conversations = Conversations(self.database, self.clock)
        self.messages = Messages(self.database, self.clock)

    async def ask(self, query: str = "why", owner: str = ANN, **more: Any) -> Message:
        """A question, still running."""
        self.clock.advance(1)
        return (await self.messages.ask(owner, question(query, **more))).message

    async def exchange(self, query: str = "why", response: str = "so", **more: Any) -> Message:
        """A question with its whole answer."""
        asked = await self.ask(query, **more)
        await self.messages.finish(asked.id, Outcome("complete", response))
        return asked


def question(
    query: str = "why",
    key: str | None = None,
    fingerprint: str = "",
    title: str = "",
    **more: Any,
) -> NewMessage:
    request = ChatRequest.model_validate({"query": query, **more})
    return NewMessage(request, "tiny", GenerationSettings(), key, fingerprint, title)


def sqlite_url(file: Path) -> str:
    return f"sqlite+aiosqlite:///{file}"


@pytest.fixture(params=["sqlite", "postgres"])
async def url(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[str]:
    if request.param == "sqlite":
        yield sqlite_url(tmp_path / "store.db")
        return
    async with postgres_database() as where:
        yield where


@pytest.fixture
async def store(url: str) -> AsyncIterator[Store]:
    database = await Database.open(url)
    try:
        yield Store(database)
    finally:
        await database.aclose()


@asynccontextmanager
async def postgres_database() -> AsyncIterator[str]:
    """The URL of a new database, which is dropped in the end."""
    name = f"shortline_{uuid4().hex}"
    try:
        connection = await connect(POSTGRES)
    except OSError as error:
        pytest.skip(f"no PostgreSQL server answers: {error}")
    await connection.execute(f"CREATE DATABASE {name}")
    try:
        yield make_url(POSTGRES).set(database=name).render_as_string(hide_password=False)
    finally:
        await connection.execute(f"DROP DATABASE {name} WITH (FORCE)")
        await connection.close()


async def connect(url: str) -> Any:
    """A connection of its own, past the store."""
    where = make_url(url).set(drivername="postgresql")
    return await asyncpg.connect(where.render_as_string(hide_password=False), timeout=5)
