"""Models that are unloaded, loaded when they are asked for, and make room for one another."""

from __future__ import annotations

import json
import os
import signal
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import httpx
import pytest
import yaml

from server.core.limits import LOADS_S
from tests.system.launch import FREE_PORTS, Launch, command, launched, until

pytestmark = pytest.mark.system

ROOM_FOR_TWO = {"SHORTLINE_LAUNCHER__MODEL_MEMORY": "1300MiB"}


@pytest.fixture
def home(tmp_path: Path) -> Path:
    return tmp_path / "home"


def write(home: Path, **models: dict[str, Any]) -> None:
    """Models that repeat what they hear, by name."""
    listed = [{"name": name, "engine": "echo"} | more for name, more in models.items()]
    (home / "configs/providers").mkdir(parents=True)
    (home / "configs/fleet.yaml").write_text(yaml.safe_dump({"models": listed}), "utf-8")


def ask(fleet: Launch, model: str, **headers: str) -> httpx.Response:
    body = {"model": model, "messages": [{"role": "user", "content": "one two"}]}
    url = f"{fleet.base_url}/chat/completions"
    return httpx.post(url, json=body, headers=headers, timeout=90, trust_env=False)


def status(fleet: Launch, model: str) -> str:
    return str(fleet.rows()[f"model_worker {model}"]["status"])


def listed(fleet: Launch) -> dict[str, str]:
    models = httpx.get(f"{fleet.base_url}/models", trust_env=False).json()["data"]
    return {model["id"]: model["state"] for model in models}


def test_an_idle_model_is_unloaded_and_a_request_wakes_it(home: Path) -> None:
    write(home, a={"idle_unload_s": 1.0}, b={})
    with launched(home) as fleet:
        assert ask(fleet, "a").status_code == 200
        until(lambda: status(fleet, "a") == "asleep", 20)
        assert fleet.rows()["model_worker a"]["pid"] is None
        assert status(fleet, "b") == "ready"
        until(lambda: listed(fleet) == {"a": "asleep", "b": "ready"}, 5)
        assert fleet.status()["ready"]
        with ThreadPoolExecutor(8) as pool:
            answers = list(
                pool.map(lambda n: ask(fleet, "a", **{"x-request-id": f"r{n}"}), range(8))
            )
        assert [answer.status_code for answer in answers] == [200] * 8
        told = command(home, "explain", "r0").stdout
        assert "waits for 'a' to be loaded, 120 s at most" in told
        assert "'a' is there" in told
        assert listed(fleet) == {"a": "ready", "b": "ready"}


def test_who_was_asked_least_recently_makes_room_but_for_the_pinned(home: Path) -> None:
    each: dict[str, Any] = {"memory": "600MiB"}
    write(home, pinned=each | {"pinned": True}, a=each, b=each, c=each)
    room_for_three = {"SHORTLINE_LAUNCHER__MODEL_MEMORY": "1900MiB"}
    with launched(home, **room_for_three) as fleet:
        assert status(fleet, "c") == "asleep"
        assert "it is loaded when it is asked for" in fleet.said()
        for model in ("pinned", "b", "a"):
            assert ask(fleet, model).status_code == 200
            time.sleep(4 * LOADS_S)  # twice that often the launcher hears of loads
        assert ask(fleet, "c").status_code == 200
        assert [status(fleet, m) for m in ("pinned", "a", "b", "c")] == [
            *("ready", "ready", "asleep", "ready")
        ]
        time.sleep(4 * LOADS_S)
        assert ask(fleet, "b").status_code == 200
        assert [status(fleet, m) for m in ("pinned", "a", "b", "c")] == [
            *("ready", "asleep", "ready", "ready")
        ]


def test_a_worker_killed_while_it_wakes_costs_no_request(home: Path) -> None:
    write(home, a={"load_at": "request", "options": {"load_ms": 3000}}, b={})
    with launched(home) as fleet, ThreadPoolExecutor(4) as pool:
        assert status(fleet, "a") == "asleep"
        answers = [pool.submit(ask, fleet, "a") for _ in range(4)]
        until(lambda: status(fleet, "a") == "loading", 20)
        assert listed(fleet)["a"] == "loading"
        os.kill(fleet.rows()["model_worker a"]["pid"], signal.SIGKILL)
        assert [answer.result().status_code for answer in answers] == [200] * 4
        assert "model_worker a died" not in fleet.said()


def test_what_can_never_fit_is_refused_in_words_while_the_others_serve(home: Path) -> None:
    write(home, small={"memory": "100MiB"}, big={"memory": "5GiB"})
    with launched(home, **ROOM_FOR_TWO) as fleet:
        assert ask(fleet, "small").status_code == 200
        row = fleet.rows()["model_worker big"]
        assert row["status"] == "quarantined"
        assert (
            "model 'big' needs about 5.0 GiB of memory on the CPU, and 1.2 GiB are free"
            in (row["detail"])
        )
        refused = ask(fleet, "big")
        assert refused.status_code == 503


def test_a_model_that_does_not_fit_when_it_is_asked_for_says_why(home: Path) -> None:
    pinned = {"memory": "600MiB", "pinned": True}
    write(home, a=pinned, b=pinned, c={"memory": "600MiB", "load_at": "request"})
    with launched(home, **ROOM_FOR_TWO) as fleet:
        refused = ask(fleet, "c")
        assert refused.status_code == 503
        error = json.loads(refused.content)["error"]
        assert error["code"] == "model_not_loaded"
        assert "'c' needs about 600 MiB" in error["message"] or "0.6 GiB" in error["message"]
        assert status(fleet, "a") == status(fleet, "b") == "ready"


def test_a_start_with_nothing_but_what_cannot_fit_ends_with_words(home: Path) -> None:
    write(home, big={"memory": "5GiB"})
    launch = Launch(home, ("--llm-api",), {**FREE_PORTS, **ROOM_FOR_TWO})
    assert launch.wait(60) == 1
    assert "model 'big' needs about 5.0 GiB" in launch.said()
    assert "`memory`" in launch.said()
