from __future__ import annotations

from pathlib import Path

import pytest

from server.core.draft import write_whole


@pytest.mark.parametrize("lasting", [True, False])
def test_a_file_is_whole_and_its_owners_alone(tmp_path: Path, lasting: bool) -> None:
    file = tmp_path / "f.json"
    file.with_name("f.json.new").write_text("of one that was killed")
    for text in ("first, and longer\n", "你好\n"):
        write_whole(file, text, lasting=lasting)
        assert file.read_text("utf-8") == text
    assert file.stat().st_mode & 0o777 == 0o600
    assert [one.name for one in tmp_path.iterdir()] == ["f.json"]


def test_what_cannot_be_written_leaves_what_was_there(tmp_path: Path) -> None:
    file = tmp_path / "f.json"
    write_whole(file, "first")
    with pytest.raises(UnicodeEncodeError):
        write_whole(file, "\ud800")
    assert file.read_text("utf-8") == "first"
