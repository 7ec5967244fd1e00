from __future__ import annotations

import os

import pytest
from pydantic import SecretStr

from server.launcher.running.reading_key import kept_reading_key, read_reading_key
from server.launcher.setup.home import Home
from server.wire.sight import reading_key

SECRET = SecretStr("a-secret-of-the-fleet-0123456789abcdef")


def test_it_lies_there_for_this_user_alone_while_the_fleet_runs(home: Home) -> None:
    old = os.umask(0)
    try:
        with kept_reading_key(home, SECRET):
            (file,) = home.run.iterdir()
            assert file.stat().st_mode & 0o777 == 0o600
            assert read_reading_key(home) == reading_key(SECRET)
    finally:
        os.umask(old)
    assert list(home.run.iterdir()) == []
    assert read_reading_key(home) is None


def test_the_secret_itself_is_not_in_it(home: Home) -> None:
    with kept_reading_key(home, SECRET):
        (file,) = home.run.iterdir()
        assert SECRET.get_secret_value() not in file.read_text()


def test_what_a_killed_launcher_left_is_replaced(home: Home) -> None:
    for name in ("reading-key", "reading-key.new"):
        (home.run / name).write_text("old")
        (home.run / name).chmod(0o644)
    with kept_reading_key(home, SECRET):
        assert read_reading_key(home) == reading_key(SECRET)
        modes = [file.stat().st_mode & 0o777 for file in home.run.iterdir()]
        assert modes == [0o600]


def test_serving_goes_on_where_it_cannot_be_written(
    home: Home, caplog: pytest.LogCaptureFixture
) -> None:
    home.run.rmdir()
    home.run.write_text("a file where the folder should be")
    with kept_reading_key(home, SECRET):
        assert read_reading_key(home) is None
    assert [record.message for record in caplog.records] == ["cannot write the reading key"]


@pytest.mark.parametrize("content", [b"", b"\n", b"\xff\xfe"])
def test_a_file_that_makes_no_sense_is_no_key(home: Home, content: bytes) -> None:
    (home.run / "reading-key").write_bytes(content)
    assert read_reading_key(home) is None
