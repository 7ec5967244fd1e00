from __future__ import annotations

from pathlib import Path

from server.core.memory.folders import BUNDLED_FOLDER, folder_of


def test_a_folder_is_itself(tmp_path: Path) -> None:
    assert folder_of(str(tmp_path), {}) == tmp_path
    assert folder_of("", {}) is None


def test_what_comes_with_us_is_found() -> None:
    assert folder_of("bundled:shortline-mini", {}) == BUNDLED_FOLDER / "shortline-mini"
    assert folder_of("bundled:nothing", {}) is None
    assert folder_of("bundled:../engines", {}) is None


def test_a_hub_name_is_looked_up_in_the_cache_alone(tmp_path: Path) -> None:
    environ = {"HF_HOME": str(tmp_path)}
    assert folder_of("org/name", environ) is None
    repository = tmp_path / "hub/models--org--name"
    snapshot = repository / "snapshots/abc"
    snapshot.mkdir(parents=True)
    (repository / "refs").mkdir()
    (repository / "refs/main").write_text("abc\n")
    assert folder_of("org/name", environ) == snapshot
