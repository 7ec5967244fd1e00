"""The worker as the launcher starts it."""

from __future__ import annotations

import json
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import httpx

from server.core.settings import ModelSettings
from server.wire.process import ModelWorkerProcess
from tests.fakes.worker import ECHO, NOBODY, SECRET


@contextmanager
def started(model: ModelSettings) -> Iterator[subprocess.Popen[str]]:
    settings = ModelWorkerProcess(
        name="model_worker tested", secret=SECRET, controller_url=NOBODY, model=model
    )
    child = subprocess.Popen(
        [sys.executable, "-m", "server.worker.local"],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
    )
    assert child.stdin is not None
    child.stdin.write(settings.model_dump_json() + "\n")
    child.stdin.flush()
    try:
        with child:
            yield child
    finally:
        child.kill()


def reports(child: subprocess.Popen[str]) -> Iterator[dict[str, Any]]:
    assert child.stdout is not None
    return (json.loads(line) for line in child.stdout)


def test_it_loads_serves_and_ends_with_code_0() -> None:
    with started(ECHO) as child:
        *_, ready = _until_ready(child)
        assert httpx.get(ready["address"] + "/readyz").status_code == 200
        child.terminate()
        assert child.wait(10) == 0


def test_told_to_stop_while_loading_it_does_not_wait_for_the_model() -> None:
    slow = ECHO.model_copy(update={"options": {"load_ms": 60_000}})
    with started(slow) as child:
        assert next(reports(child))["state"] == "loading"
        child.terminate()
        child.wait(10)


def test_a_model_that_cannot_load_is_named_with_the_cause(tmp_path: Path) -> None:
    broken = ModelSettings(name="broken-model", path=str(tmp_path), engine="transformers")
    with started(broken) as child:
        *_, last = reports(child)
        assert last["state"] == "failed"
        assert "broken-model" in last["detail"]
        assert child.wait(10) == 1


def test_a_model_that_is_not_there_is_said_before_torch_is_loaded() -> None:
    lost = ModelSettings(name="lost-model", path="/no/such/folder", engine="transformers")
    begun = time.monotonic()
    with started(lost) as child:
        *_, last = reports(child)
        assert "lost-model" in last["detail"]
        assert child.wait(10) == 1
    assert time.monotonic() - begun < 5


def _until_ready(child: subprocess.Popen[str]) -> Iterator[dict[str, Any]]:
    for report in reports(child):
        yield report
        if report["state"] == "ready":
            return
