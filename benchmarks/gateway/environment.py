"""An environment of its own for each peer, made on first use and kept."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from shutil import rmtree

HOME = Path.home() / ".cache" / "shortline" / "peers"
INSTALL_S = 1200.0
_STAMP = "installed.txt"


class Unavailable(Exception):
    """A peer that cannot be measured here; the message says why."""


def environment(home: Path, name: str, requirements: Sequence[str]) -> Path:
    """The `python` that has `requirements`, from whatever package index pip is set up for.

    Takes minutes the first time, and again when the requirements change. Raises `Unavailable`.
    """
    folder = home.absolute() / name  # programs run elsewhere
    python = folder / "bin" / "python"
    wanted = "\n".join(requirements) + "\n"
    stamp = folder / _STAMP
    if python.exists() and stamp.is_file() and stamp.read_text() == wanted:
        return python
    print(f"making an environment for {name} in {folder}", file=sys.stderr, flush=True)
    try:
        rmtree(folder, ignore_errors=True)
        folder.parent.mkdir(parents=True, exist_ok=True)
        _run(sys.executable, "-m", "venv", str(folder))
        _run(str(python), "-m", "pip", "install", *_OPTIONS, *requirements)
        stamp.write_text(wanted)
    except (OSError, subprocess.TimeoutExpired) as error:
        raise Unavailable(f"could not be installed: {error}") from error
    return python


_OPTIONS = ("--quiet", "--disable-pip-version-check", "--no-input", "--only-binary=:all:")
"""Only what needs no compiler: otherwise the figures would depend on ours."""


def _run(*command: str) -> None:
    done = subprocess.run(
        command,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=INSTALL_S,
        env={**os.environ, "PYTHONPATH": ""},
    )
    if done.returncode:
        raise Unavailable(f"could not be installed: {last_error(done.stderr)}")


def last_error(text: str) -> str:
    """The line that says most: pip's last error, or else the last line."""
    lines = [line.strip() for line in text.splitlines() if line.strip()]
    errors = [line for line in lines if line.startswith("ERROR: ")]
    return (errors or lines or ["it did not say why"])[-1].removeprefix("ERROR: ")
