"""One model's worker is replaced by another one while clients ask without a pause."""

from __future__ import annotations

import threading
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import httpx
import pytest
import yaml

from tests.system.launch import Launch, command, launched, until
from tests.system.test_model_care import write

pytestmark = pytest.mark.system

CLIENTS = 4
WORKER = "model_worker a"


@pytest.fixture
def home(tmp_path: Path) -> Path:
    return tmp_path / "home"


@pytest.fixture
def weights(tmp_path: Path) -> Path:
    """Of an engine that reads none."""
    folder = tmp_path / "weights"
    folder.mkdir()
    (folder / "model.safetensors").touch()
    return folder


class Asked:
    """What clients were told: statuses and, where they were served, by which model."""

    def __init__(self) -> None:
        self.statuses: Counter[int] = Counter()
        self.prints: list[str] = []
        self.refusals: list[str] = []


@contextmanager
def asked_without_pause(fleet: Launch) -> Iterator[Asked]:
    told, over = Asked(), threading.Event()
    url = f"{fleet.base_url}/chat/completions"
    body = {"model": "a", "messages": [{"role": "user", "content": "one two three"}]}

    def ask() -> None:
        with httpx.Client(timeout=90, trust_env=False) as client:
            while not over.is_set():
                answer = client.post(url, json=body)
                told.statuses[answer.status_code] += 1
                if answer.status_code == 200:
                    told.prints.append(answer.json()["system_fingerprint"])
                else:
                    told.refusals.append(answer.text)

    clients = [threading.Thread(target=ask) for _ in range(CLIENTS)]
    for client in clients:
        client.start()
    try:
        yield told
    finally:
        over.set()
        for client in clients:
            client.join()


def swap(home: Path, *words: str) -> str:
    told = command(home, "worker", "swap", "a", *words)
    assert told.returncode == 0, told.stdout + told.stderr
    return told.stdout


def swapped(fleet: Launch) -> bool:
    return f"{WORKER} is swapped." in fleet.said()


@pytest.mark.parametrize(
    ("memory", "said"),
    [
        ({}, "the new one serves at"),
        ({"SHORTLINE_LAUNCHER__MODEL_MEMORY": "900MiB"}, "both do not fit, so requests wait"),
    ],
    ids=["side by side", "one after the other"],
)
def test_a_swap_loses_no_request(
    home: Path, weights: Path, memory: dict[str, str], said: str
) -> None:
    write(home, a={"memory": "600MiB", "options": {"delay_ms": 20, "load_ms": 1000}})
    with launched(home, **memory) as fleet:
        pid = fleet.child(WORKER).pid
        with asked_without_pause(fleet) as told:
            until(lambda: told.statuses[200] > 20, 20)
            assert "It stays so over every restart" in swap(home, "--path", str(weights))
            until(lambda: swapped(fleet), 40)
            count = told.statuses[200]
            until(lambda: told.statuses[200] > count + 20, 20)
        assert not told.refusals
        assert said in fleet.said()
        assert len(set(told.prints)) == 2
        assert told.prints[-1] != told.prints[0]
        assert fleet.child(WORKER).pid != pid
        until(lambda: len(fleet.rows()) == 3, 20)


def test_what_is_swapped_stays_so_over_a_killed_launcher_until_the_settings_change(
    home: Path, weights: Path, tmp_path: Path
) -> None:
    write(home, a={})
    with launched(home) as fleet:
        swap(home, "--path", str(weights))
        until(lambda: swapped(fleet), 40)
        fleet.process.kill()
        fleet.wait()
    with launched(home) as fleet:
        row = fleet.rows()[WORKER]
        assert (row["status"], row["path"], row["instead_of"]) == ("ready", str(weights), "")
        assert f"swapped: {weights} instead of" in command(home, "status").stdout
    other = tmp_path / "other"
    other.mkdir()
    (other / "model.safetensors").touch()
    settings = {"models": [{"name": "a", "engine": "echo", "path": str(other)}]}
    (home / "configs/fleet.yaml").write_text(yaml.safe_dump(settings), "utf-8")
    with launched(home) as fleet:
        assert f"changed after it was swapped to {weights}" in fleet.said()
        assert fleet.rows()[WORKER]["path"] == ""


def test_without_a_path_it_is_a_new_process_of_the_same(home: Path) -> None:
    write(home, a={"replicas": 2})
    with launched(home) as fleet:
        pids = {row["pid"] for name, row in fleet.rows().items() if name.startswith(WORKER)}
        with asked_without_pause(fleet) as told:
            swap(home)
            until(lambda: swapped(fleet), 40)
        assert not told.refusals
        after = {row["pid"] for name, row in fleet.rows().items() if name.startswith(WORKER)}
        assert len(after) == 2
        assert not after & pids


@pytest.mark.parametrize("memory", ["", "900MiB"], ids=["side by side", "one after the other"])
def test_a_swap_that_fails_leaves_what_was_there(home: Path, tmp_path: Path, memory: str) -> None:
    environ: dict[str, Any] = {"SHORTLINE_LAUNCHER__MODEL_MEMORY": memory} if memory else {}
    empty = tmp_path / "empty"
    empty.mkdir()
    write(home, a={"memory": "600MiB"})
    with launched(home, **environ) as fleet:
        with asked_without_pause(fleet) as told:
            swap(home, "--path", str(empty))
            until(lambda: "there is nothing in the folder" in fleet.said(), 30)
            count = told.statuses[200]
            until(lambda: told.statuses[200] > count + 20, 30)
        assert not told.refusals
        assert not swapped(fleet)
        assert len(set(told.prints)) == 1


def test_a_swap_that_makes_no_sense_is_refused(home: Path) -> None:
    write(home, a={})
    with launched(home):
        nowhere = command(home, "worker", "swap", "a", "--path", "/no/such/model")
        assert nowhere.returncode == 2
        assert "there is no folder '/no/such/model'" in nowhere.stderr.lower()
        other = command(home, "worker", "restart", "a", "--path", "/tmp")
        assert other.returncode == 2
