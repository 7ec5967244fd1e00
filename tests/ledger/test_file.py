from __future__ import annotations

import os
import sqlite3
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from server.core.errors import StartError, Unavailable
from server.ledger.ledger import Ledger
from server.ledger.new_key import NewKey


def content(file: Path) -> bytes:
    return file.read_bytes() if file.exists() else b""


def test_a_new_ledger_is_for_its_owner_only(file: Path) -> None:
    old = os.umask(0)
    try:
        ledger = Ledger.open(file)
        ledger.create_key(NewKey(name="a"), 1.0)
    finally:
        os.umask(old)
    assert file.parent.stat().st_mode & 0o777 == 0o700
    assert {path.stat().st_mode & 0o777 for path in file.parent.iterdir()} == {0o600}
    assert {path.name for path in file.parent.iterdir()} == {
        "ledger.db",
        "ledger.db-wal",
        "ledger.db-shm",
    }
    ledger.close()


def test_a_file_that_others_can_read_is_closed_to_them(file: Path) -> None:
    Ledger.open(file).close()
    file.chmod(0o644)
    Ledger.open(file).close()
    assert file.stat().st_mode & 0o777 == 0o600


def test_looking_for_a_ledger_makes_none(file: Path) -> None:
    assert Ledger.find(file) is None
    assert not file.parent.exists()


def test_many_that_begin_at_once_share_one_file(file: Path) -> None:
    def begin(number: int) -> None:
        ledger = Ledger.open(file)
        ledger.create_key(NewKey(name=f"key of {number}"), 1.0)
        ledger.close()

    with ThreadPoolExecutor(8) as pool:
        list(pool.map(begin, range(8)))
    ledger = Ledger.open(file)
    assert len(ledger.all_keys()) == 8
    ledger.close()
    assert [path.name for path in file.parent.iterdir()] == ["ledger.db"]


@pytest.mark.parametrize(
    "damage", [b"", b"not a database at all", b"SQLite format 3\0" + b"x" * 99]
)
def test_what_is_no_ledger_is_refused_and_left_as_it_is(file: Path, damage: bytes) -> None:
    file.parent.mkdir()
    file.write_bytes(damage)
    for opening in (Ledger.open, Ledger.find):
        with pytest.raises(StartError, match=r"cannot be used.*every key is unknown"):
            opening(file)
    assert file.read_bytes() == damage


def test_a_page_of_garbage_is_refused(file: Path) -> None:
    ledger = Ledger.open(file)
    for number in range(50):
        ledger.create_key(NewKey(name=f"key of {number}"), 1.0)
    ledger.close()
    with file.open("r+b") as opened:
        opened.seek(4096)
        opened.write(os.urandom(8 * 4096))
    with pytest.raises(StartError, match="cannot be used"):
        Ledger.open(file)


def test_a_log_without_its_ledger_is_refused(file: Path) -> None:
    file.parent.mkdir()
    file.with_name("ledger.db-wal").write_bytes(b"x")
    with pytest.raises(StartError, match="only its -wal file is left"):
        Ledger.open(file)
    assert not file.exists()


def test_a_newer_ledger_is_refused_in_words(file: Path) -> None:
    Ledger.open(file).close()
    db = sqlite3.connect(file)
    db.execute("PRAGMA user_version = 99")
    db.close()
    before = content(file)
    with pytest.raises(StartError, match=r"newer version of Shortline \(schema 99\)"):
        Ledger.open(file)
    assert content(file) == before


def test_a_database_of_something_else_is_refused(file: Path) -> None:
    file.parent.mkdir()
    db = sqlite3.connect(file)
    db.execute("CREATE TABLE songs (name)")
    db.close()
    with pytest.raises(StartError, match="a database of something else"):
        Ledger.open(file)


def test_a_folder_that_cannot_be_written_is_told_in_words(tmp_path: Path) -> None:
    (tmp_path / "data").write_text("a file")
    with pytest.raises(StartError, match="cannot be opened"):
        Ledger.open(tmp_path / "data/ledger.db")


def test_a_held_file_is_told_in_words(file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    Ledger.open(file).close()
    holder = sqlite3.connect(file, isolation_level=None)
    holder.execute("PRAGMA journal_mode = DELETE")
    holder.execute("BEGIN EXCLUSIVE")
    monkeypatch.setattr("server.ledger.file.BUSY_S", 0.01)
    with pytest.raises(StartError, match="held by another program"):
        Ledger.open(file)
    holder.close()


def test_a_ledger_that_was_replaced_is_used_no_more(file: Path) -> None:
    ledger = Ledger.open(file)
    for path in list(file.parent.iterdir()):
        path.rename(path.with_name(f"old-{path.name}"))
    with pytest.raises(Unavailable, match="moved or replaced"):
        ledger.all_keys()
    Ledger.open(file).close()
    with pytest.raises(Unavailable, match="moved or replaced"):
        ledger.create_key(NewKey(name="a"), 1.0)
    ledger.close()
