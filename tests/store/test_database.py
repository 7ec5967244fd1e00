from __future__ import annotations

import sqlite3
import stat
from pathlib import Path

import pytest
from sqlalchemy import make_url

from server.core.errors import StartError
from server.store.database import Database
from tests.store.conftest import ANN, Store, postgres_database, sqlite_url

FREE_PORT_NOBODY_HAS = 1


async def test_what_was_stored_is_there_after_closing_and_opening(url: str, store: Store) -> None:
    asked = await store.exchange("why", "so")
    await store.database.aclose()
    again = Store(await Database.open(url))
    assert (await again.messages.get(ANN, asked.id)).response == "so"
    await again.database.aclose()


async def test_only_its_owner_can_read_the_file(tmp_path: Path) -> None:
    file = tmp_path / "中文 folder" / "a b.db"
    store = Store(await Database.open(sqlite_url(file)))
    await store.ask()
    modes = {path.name: stat.S_IMODE(path.stat().st_mode) for path in file.parent.iterdir()}
    assert modes == {"a b.db": 0o600, "a b.db-wal": 0o600, "a b.db-shm": 0o600}
    await store.database.aclose()
    file.chmod(0o644)
    await (await Database.open(sqlite_url(file))).aclose()
    assert stat.S_IMODE(file.stat().st_mode) == 0o600


async def test_what_a_killed_first_start_left_is_no_hindrance(tmp_path: Path) -> None:
    (tmp_path / "store.db.new").write_bytes(b"half a database")
    await (await Database.open(sqlite_url(tmp_path / "store.db"))).aclose()
    assert not (tmp_path / "store.db.new").exists()


@pytest.mark.parametrize("content", [b"", b"garbage" * 1000, b"SQLite format 3\0" + b"x" * 9000])
async def test_a_file_that_is_no_database_is_refused_and_left_alone(
    tmp_path: Path, content: bytes
) -> None:
    file = tmp_path / "store.db"
    file.write_bytes(content)
    with pytest.raises(StartError, match="backup"):
        await Database.open(sqlite_url(file))
    assert file.read_bytes() == content


async def test_a_file_with_a_damaged_page_is_refused(tmp_path: Path) -> None:
    file = tmp_path / "store.db"
    store = Store(await Database.open(sqlite_url(file)))
    for _ in range(20):
        await store.exchange("x" * 2000, "y" * 2000)
    await store.database.aclose()
    content = bytearray(file.read_bytes())
    content[4096 * 3 : 4096 * 12] = b"\xa5" * (4096 * 9)
    file.write_bytes(content)
    with pytest.raises(StartError, match="backup"):
        await Database.open(sqlite_url(file))
    assert file.read_bytes() == content


async def test_a_truncated_file_is_refused(tmp_path: Path) -> None:
    file = tmp_path / "store.db"
    store = Store(await Database.open(sqlite_url(file)))
    for _ in range(20):
        await store.exchange("x" * 2000, "y" * 2000)
    await store.database.aclose()
    file.write_bytes(file.read_bytes()[: 4096 * 5])
    with pytest.raises(StartError, match="backup"):
        await Database.open(sqlite_url(file))


async def test_a_log_without_its_database_is_not_replaced_by_an_empty_one(tmp_path: Path) -> None:
    (tmp_path / "store.db-wal").write_bytes(b"something")
    with pytest.raises(StartError, match="gone"):
        await Database.open(sqlite_url(tmp_path / "store.db"))
    assert not (tmp_path / "store.db").exists()


async def test_a_folder_in_place_of_the_file_is_refused(tmp_path: Path) -> None:
    with pytest.raises(StartError):
        await Database.open(sqlite_url(tmp_path))


async def test_tables_of_another_program_are_left_alone(tmp_path: Path) -> None:
    file = tmp_path / "other.db"
    with sqlite3.connect(file) as connection:
        connection.execute("CREATE TABLE mine (id INTEGER)")
    connection.close()
    with pytest.raises(StartError, match="of its own"):
        await Database.open(sqlite_url(file))


@pytest.mark.parametrize(
    "url",
    [
        "",
        "nonsense",
        "sqlite:///x",
        "sqlite+aiosqlite:///relative.db",
        "sqlite+aiosqlite://",
        "mysql://ann:hidden@host/x",
    ],
)
async def test_a_url_of_another_form_is_refused_with_the_forms(url: str) -> None:
    with pytest.raises(StartError, match="ABSOLUTE/PATH") as caught:
        await Database.open(url)
    assert "hidden" not in str(caught.value)


async def test_a_server_that_does_not_answer_is_named_without_its_password() -> None:
    url = f"postgresql+asyncpg://ann:hidden@127.0.0.1:{FREE_PORT_NOBODY_HAS}/x"
    with pytest.raises(StartError, match="ann:") as caught:
        await Database.open(url)
    assert "hidden" not in str(caught.value)


async def test_a_database_that_the_server_has_not_is_named() -> None:
    async with postgres_database() as there:
        url = make_url(there).set(database="shortline_that_is_not_there")
        with pytest.raises(StartError, match="does not exist"):
            await Database.open(url.render_as_string(hide_password=False))
