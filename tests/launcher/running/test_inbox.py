from __future__ import annotations

import os
from pathlib import Path

from server.launcher.running.inbox import forget_wishes, put_wish, take_wishes
from server.wire.process import Request

STOP = Request(ask="stop", child="model_worker a")
START = Request(ask="start", child="model_worker a")


def test_wishes_are_taken_once_and_in_their_order(tmp_path: Path) -> None:
    folder = tmp_path / "wishes"
    later, first = put_wish(folder, START), put_wish(folder, STOP)
    os.utime(first, (1, 1))
    assert take_wishes(folder) == [STOP, START]
    assert not first.exists()
    assert not later.exists()
    assert take_wishes(folder) == []


def test_nobody_else_can_give_orders(tmp_path: Path) -> None:
    wish = put_wish(tmp_path / "wishes", STOP)
    assert wish.stat().st_mode & 0o777 == 0o600
    assert wish.parent.stat().st_mode & 0o777 == 0o700


def test_nonsense_is_passed_over_and_gone(tmp_path: Path) -> None:
    folder = tmp_path / "wishes"
    put_wish(folder, STOP)
    (folder / "a.json").write_text("{" * 10_000)
    (folder / "b.json").write_text('{"ask": "explode", "child": "x"}')
    (folder / "c.new").write_text("not whole yet")
    assert take_wishes(folder) == [STOP]
    assert [path.name for path in folder.iterdir()] == ["c.new"]


def test_no_wishes_at_all_are_none(tmp_path: Path) -> None:
    assert take_wishes(tmp_path / "wishes") == []
    forget_wishes(tmp_path / "wishes")


def test_what_nobody_heard_is_forgotten_with_its_launcher(tmp_path: Path) -> None:
    put_wish(tmp_path / "wishes", STOP)
    forget_wishes(tmp_path / "wishes")
    assert not (tmp_path / "wishes").exists()
