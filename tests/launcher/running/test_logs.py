from __future__ import annotations

import json
import os
from pathlib import Path

from server.launcher.running.logs import KEPT_LOGS, bound, open_log, printable, rotate, tail


def test_our_own_lines_are_quoted_as_sentences(tmp_path: Path) -> None:
    log = tmp_path / "a.log"
    event = {"level": "error", "message": "could not start", "exception": "Traceback\nValueError"}
    log.write_text(json.dumps(event) + "\nplain words\n")
    assert tail(log) == ["error: could not start", "Traceback", "ValueError", "plain words"]


def test_only_the_end_is_quoted(tmp_path: Path) -> None:
    log = tmp_path / "a.log"
    log.write_text("\n".join(map(str, range(100_000))))
    assert tail(log, 2) == ["99998", "99999"]


def test_a_log_that_is_not_there_has_no_end(tmp_path: Path) -> None:
    assert tail(tmp_path / "a.log") == []


def test_nothing_quoted_can_steer_a_terminal(tmp_path: Path) -> None:
    log = tmp_path / "a.log"
    log.write_bytes(b"\x1b[31mred\x07\n\xff\n[1, 2]\n")
    assert tail(log) == ["�[31mred�", "�", "[1, 2]"]
    assert printable("模型 é 🙂") == "模型 é 🙂"
    assert "\u202e" not in printable("a\u202eb")


def test_a_new_log_keeps_those_before_and_the_oldest_goes(tmp_path: Path) -> None:
    log = tmp_path / "a.log"
    for start in range(KEPT_LOGS + 2):
        log.write_text(f"start {start}")
        rotate(log)
        assert not log.exists()
    assert {path.name: path.read_text() for path in tmp_path.iterdir()} == {
        "a.log.1": "start 4",
        "a.log.2": "start 3",
        "a.log.3": "start 2",
    }


def test_a_start_that_says_nothing_pushes_nothing_out(tmp_path: Path) -> None:
    log = tmp_path / "a.log"
    log.write_text("what went wrong")
    for _ in range(KEPT_LOGS + 1):
        rotate(log)
        log.touch()
    assert (tmp_path / "a.log.1").read_text() == "what went wrong"


def test_a_log_too_long_is_emptied_while_its_writer_goes_on(tmp_path: Path) -> None:
    log = tmp_path / "a.log"
    with open_log(log) as handle:
        os.write(handle, b"x" * 100)
        bound(log, max_bytes=100)
        assert log.stat().st_size == 100
        os.write(handle, b"y")
        bound(log, max_bytes=100)
        os.write(handle, b"z")
    assert log.read_text() == "z"
    assert (tmp_path / "a.log.1").read_text() == "x" * 99 + "y"
    assert (tmp_path / "a.log.1").stat().st_mode & 0o777 == 0o600


def test_what_is_kept_of_a_process_that_says_much_is_bounded(tmp_path: Path) -> None:
    log = tmp_path / "a.log"
    with open_log(log) as handle:
        for turn in range(10):
            os.write(handle, bytes([turn]) * 1000)
            bound(log, max_bytes=100)
    sizes = [path.stat().st_size for path in tmp_path.iterdir()]
    assert len(sizes) == KEPT_LOGS + 1
    assert sum(sizes) <= KEPT_LOGS * 100
    assert (tmp_path / "a.log.3").read_bytes() == bytes([7]) * 100


def test_a_disk_that_takes_no_log_does_not_stop_anything(tmp_path: Path) -> None:
    with open_log(tmp_path / "no/such/a.log") as handle:
        os.write(handle, b"lost")
