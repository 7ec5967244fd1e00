from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

from server.launcher.cli import run
from server.launcher.setup.home import Home

CODE = Path(__file__).parents[2]


def test_no_flag_at_all_prints_the_help_and_is_two(capsys: pytest.CaptureFixture[str]) -> None:
    assert run([]) == 2
    assert "--llm-api" in capsys.readouterr().err


def test_the_version_is_the_one_of_the_project(capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["--version"]) == 0
    assert f'version = "{capsys.readouterr().out.split()[1]}"' in (
        CODE / "pyproject.toml"
    ).read_text("utf-8")


@pytest.mark.parametrize("argv", [["--home", "{}", "status"], ["status", "--home", "{}"]])
def test_home_may_stand_before_or_after_the_command(
    home: Home, argv: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    assert run([word.format(home.root) for word in argv]) == 3
    assert str(home.root) in capsys.readouterr().out


COMMANDS = (
    ["status"],
    ["stop"],
    ["explain", "req-1"],
    ["worker", "stop", "a"],
    ["join", "http://127.0.0.1:9"],
    ["leave", "a"],
    ["key", "create", "a"],
    ["key", "list"],
)


@pytest.mark.parametrize("command", COMMANDS, ids=" ".join)
def test_a_mistyped_home_is_an_error_and_makes_nothing(
    tmp_path: Path, command: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    for there in (False, True):
        new = tmp_path / "new"
        if there:
            (new / "data").mkdir(parents=True)
        assert run([*command, "--home", str(new)]) == 2
        assert f"no home of Shortline in {new}" in capsys.readouterr().err
        assert not there or [path.name for path in new.rglob("*")] == ["data"]


def test_the_doctor_may_look_where_there_is_no_home(tmp_path: Path) -> None:
    run(["doctor", "--home", str(tmp_path / "new")])
    assert not (tmp_path / "new").exists()


@pytest.mark.parametrize(
    "module",
    ["cli", "start", "care.status", "care.stop", "care.doctor", "care.explain", "care.tell"],
)
def test_no_heavy_library_is_loaded(module: str) -> None:
    program = (
        f"import sys, json, server.launcher.{module}\n"
        "heavy = {'torch', 'transformers', 'fastapi', 'starlette', 'uvicorn', 'numpy', 'uvloop'}\n"
        "print(json.dumps(sorted(heavy & set(sys.modules))))"
    )
    shown = subprocess.run(
        [sys.executable, "-c", program], cwd=CODE, capture_output=True, text=True, check=True
    )
    assert json.loads(shown.stdout) == []


def test_help_needs_no_configuration_library() -> None:
    program = (
        "import sys, server.launcher.cli\n"
        "print({'pydantic', 'yaml', 'httpx', 'rich', 'psutil', 'asyncio'} & set(sys.modules))"
    )
    shown = subprocess.run(
        [sys.executable, "-c", program], cwd=CODE, capture_output=True, text=True, check=True
    )
    assert shown.stdout.strip() == "set()"
