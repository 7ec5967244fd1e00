from __future__ import annotations

from pathlib import Path

import psutil
import pytest

from server.core.memory.room import Room, ram

GIB = 2**30


@pytest.fixture(autouse=True)
def machine(monkeypatch: pytest.MonkeyPatch) -> None:
    class Memory:
        available = 20 * GIB
        total = 32 * GIB

    monkeypatch.setattr(psutil, "virtual_memory", Memory)


def group(folder: Path, limit: str, used: int, idle: int) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "memory.max").write_text(f"{limit}\n")
    (folder / "memory.current").write_text(f"{used}\n")
    (folder / "memory.stat").write_text(f"anon 1\ninactive_file {idle}\n")


def test_without_a_group_it_is_the_machine(tmp_path: Path) -> None:
    assert ram(tmp_path, tmp_path / "none") == Room(20 * GIB, 32 * GIB)


def test_the_tightest_limit_on_the_way_up_counts(tmp_path: Path) -> None:
    own = tmp_path / "cgroup"
    own.write_text("0::/pod/one\n")
    group(tmp_path / "pod/one", "max", 5 * GIB, 0)
    group(tmp_path / "pod", str(8 * GIB), 6 * GIB, 2 * GIB)
    assert ram(tmp_path, own) == Room(4 * GIB, 8 * GIB)


def test_the_old_groups_have_limits_too(tmp_path: Path) -> None:
    own = tmp_path / "cgroup"
    own.write_text("5:cpu:/\n4:memory:/box\n0::/\n")
    box = tmp_path / "memory/box"
    box.mkdir(parents=True)
    (box / "memory.limit_in_bytes").write_text(str(2 * GIB))
    (box / "memory.usage_in_bytes").write_text(str(3 * GIB))
    (box / "memory.stat").write_text(f"cache 1\ntotal_inactive_file {GIB // 2}\n")
    assert ram(tmp_path, own) == Room(0, 2 * GIB)
