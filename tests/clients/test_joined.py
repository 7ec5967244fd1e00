"""The list of joined servers outlives whoever wrote it."""

from __future__ import annotations

from pathlib import Path

from server.clients.joined import JoinedFile
from server.core.settings import JoinedServer

ONE = JoinedServer(url="http://gpu1:8000", api_key_env="GPU1")
TWO = JoinedServer(url="http://gpu2:8000", name="two", abilities=("embeddings",), slots=3)


def test_what_was_added_is_there_again_and_what_was_removed_is_not(tmp_path: Path) -> None:
    file = tmp_path / "joined.json"
    joined = JoinedFile(file)
    assert joined.add(ONE)
    assert joined.add(TWO)
    assert JoinedFile(file).servers == {"gpu1-8000": ONE, "two": TWO}
    assert file.stat().st_mode & 0o777 == 0o600
    assert joined.remove("two")
    assert JoinedFile(file).servers == joined.servers == {"gpu1-8000": ONE}


def test_what_cannot_be_read_is_said_and_not_written_over(tmp_path: Path) -> None:
    file = tmp_path / "joined.json"
    file.write_text("[{}]")
    joined = JoinedFile(file)
    assert "makes no sense" in joined.unreadable
    assert not joined.add(ONE)
    assert file.read_text() == "[{}]"


def test_what_cannot_be_written_is_not_joined(tmp_path: Path) -> None:
    joined = JoinedFile(tmp_path / "no-such-folder/joined.json")
    assert not joined.add(ONE)
    assert joined.servers == {}
