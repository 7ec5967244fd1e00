from __future__ import annotations

from pathlib import Path

import pytest

from server.core.errors import ConfigError
from server.launcher.setup.home import Home, furnish


def mode(path: Path) -> int:
    return path.stat().st_mode & 0o777


def shipped(tmp_path: Path) -> Path:
    folder = tmp_path / "shipped"
    folder.mkdir()
    (folder / "fleet.yaml").write_text("models: []\n")
    (folder / ".env").write_text("OPENAI_API_KEY=sk-of-the-checkout\n")
    (folder / ".env.example").touch()
    return folder


def test_a_fresh_home_gets_configs_without_anybodys_secrets(tmp_path: Path) -> None:
    home = Home(tmp_path / "new/home")
    assert furnish(home, shipped(tmp_path))
    assert sorted(path.name for path in home.configs.iterdir()) == [".env.example", "fleet.yaml"]


def test_configs_that_are_there_are_left_alone(tmp_path: Path) -> None:
    home = Home(tmp_path / "home")
    home.configs.mkdir(parents=True)
    assert not furnish(home, shipped(tmp_path))
    assert list(home.configs.iterdir()) == []


def test_data_is_for_its_owner_only(tmp_path: Path) -> None:
    home = Home(tmp_path / "home")
    home.data.mkdir(parents=True, mode=0o755)
    furnish(home, shipped(tmp_path))
    assert [mode(path) for path in (home.data, home.logs, home.run)] == [0o700] * 3


def test_a_home_that_cannot_be_made_says_so(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(ConfigError, match="choose another folder with --home"):
        furnish(Home(tmp_path / "file/home"), shipped(tmp_path))


def test_logs_are_named_after_their_process() -> None:
    logs = Home(Path("/h")).logs
    home = Home(Path("/h"))
    assert home.log_of("openai_api") == logs / "openai_api.log"
    assert home.log_of("model_worker qwen3-8b#2") == logs / "model_worker-qwen3-8b#2.log"


def test_no_two_processes_share_a_log() -> None:
    home = Home(Path("/h"))
    names = [
        "model_worker a/b",
        "model_worker a_b",
        "model_worker ../b",
        "model_worker " + "模" * 200,
    ]
    logs = {home.log_of(name) for name in names}
    assert len(logs) == len(names)
    assert all(log.parent == home.logs and len(log.name.encode()) < 255 for log in logs)
