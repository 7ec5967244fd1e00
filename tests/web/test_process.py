from __future__ import annotations

import json
import subprocess
import sys

import pytest


@pytest.mark.parametrize(
    "line",
    ['{"name": "controller", "secret": "canary', '{"secret": "canary", "controller": {}}', ""],
)
def test_settings_that_make_no_sense_are_reported_without_what_stands_in_them(line: str) -> None:
    child = subprocess.run(
        [sys.executable, "-m", "server.controller"],
        input=line + "\n",
        capture_output=True,
        text=True,
        timeout=30,
        check=False,
    )
    assert child.returncode == 1
    assert json.loads(child.stdout)["state"] == "failed"
    assert "canary" not in child.stdout + child.stderr
