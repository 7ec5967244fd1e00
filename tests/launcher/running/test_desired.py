from __future__ import annotations

import json
from pathlib import Path

import pytest

from server.launcher.running.desired import Desired

A, B = "model_worker a", "model_worker b#2"


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return tmp_path / "desired.json"


def test_who_is_not_named_serves(file: Path) -> None:
    assert Desired(file).of(A) == "serve"
    assert not file.exists()


def test_what_is_wanted_is_known_to_the_next_launcher(file: Path) -> None:
    desired = Desired(file)
    assert desired.remember(A, "stop")
    assert desired.remember(B, "drain")
    again = Desired(file)
    assert (again.of(A), again.of(B)) == ("stop", "drain")
    assert file.stat().st_mode & 0o777 == 0o600


def test_what_is_taken_back_is_forgotten(file: Path) -> None:
    Desired(file).remember(A, "stop")
    Desired(file).remember(A, "serve")
    assert Desired(file).of(A) == "serve"
    assert json.loads(file.read_text()) == {}


@pytest.mark.parametrize("text", ["", "{", "[]", '{"model_worker a": "explode"}', "\x00\xff"])
def test_a_file_that_makes_no_sense_is_told_and_stops_nothing(file: Path, text: str) -> None:
    file.write_text(text)
    desired = Desired(file)
    assert str(file) in desired.unreadable
    assert desired.of(A) == "serve"


def test_a_disk_that_takes_nothing_is_told(tmp_path: Path) -> None:
    desired = Desired(tmp_path / "no/such/desired.json")
    assert not desired.remember(A, "stop")
    assert desired.of(A) == "stop"
