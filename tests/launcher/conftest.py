"""A home and an installation made of a few empty files."""

from __future__ import annotations

from pathlib import Path

import pytest

from server.launcher.setup.home import Home
from server.launcher.setup.installation import Installation


@pytest.fixture
def home(tmp_path: Path) -> Home:
    home = Home(tmp_path / "home")
    home.providers.mkdir(parents=True)
    home.logs.mkdir(parents=True)
    home.run.mkdir()
    home.data.chmod(0o700)
    return home


@pytest.fixture
def installation(tmp_path: Path) -> Installation:
    """With the engines `echo` and `transformers` and the bundled model `tiny`."""
    code = tmp_path / "code"
    engines = code / "server/worker/engines"
    engines.mkdir(parents=True)
    for name in ("__init__", "echo", "transformers"):
        (engines / f"{name}.py").touch()
    (code / "server/worker/bundled/tiny").mkdir(parents=True)
    (code / "configs").mkdir()
    (code / "configs/fleet.yaml").write_text("models: []\n")
    (code / "startup.py").touch()
    return Installation(code)
