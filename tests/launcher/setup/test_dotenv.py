from __future__ import annotations

from pathlib import Path

import pytest

from server.core.errors import ConfigError
from server.launcher.setup.dotenv import parse_env, with_env_file


def env_file(tmp_path: Path, text: str, mode: int = 0o600) -> Path:
    file = tmp_path / ".env"
    file.write_text(text)
    file.chmod(mode)
    return file


def test_lines_are_names_and_values_with_or_without_quotes() -> None:
    text = "# keys\n\nA=1\nexport B = 'two words'\nC=\"x=y\"\nD=\n"
    assert parse_env(text, Path(".env")) == {"A": "1", "B": "two words", "C": "x=y", "D": ""}


def test_what_is_set_already_is_stronger(tmp_path: Path) -> None:
    file = env_file(tmp_path, "A=file\nB=file\n")
    assert with_env_file({"A": "shell"}, file) == {"A": "shell", "B": "file"}


def test_no_file_changes_nothing(tmp_path: Path) -> None:
    assert with_env_file({"A": "1"}, tmp_path / ".env") == {"A": "1"}


@pytest.mark.parametrize("mode", [0o644, 0o640, 0o604, 0o660])
def test_a_file_that_others_can_read_is_refused(tmp_path: Path, mode: int) -> None:
    file = env_file(tmp_path, "A=1\n", mode)
    with pytest.raises(ConfigError, match=f"chmod 600 {file}"):
        with_env_file({}, file)


def test_every_bad_line_is_named_and_none_is_shown(tmp_path: Path) -> None:
    file = env_file(tmp_path, "A=1\nsk-hidden\n=sk-hidden\n")
    with pytest.raises(ConfigError) as caught:
        with_env_file({}, file)
    assert len(caught.value.problems) == 2
    assert "line 2" in caught.value.problems[0]
    assert "sk-hidden" not in str(caught.value)
