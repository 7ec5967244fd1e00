"""A controller that comes back with another secret: its old workers are strangers to it (A4)."""

from __future__ import annotations

import json
import time
from pathlib import Path

import httpx
import pytest

from server.clients.fleet import COMPLAIN_S
from server.launcher.setup.home import Home
from tests.system.launch import Launch, launched, until, write_home

pytestmark = pytest.mark.system

WORKER = "model_worker echo"
OURS, THEIRS = "s" * 40, "t" * 40
LISTEN_S = 5.0
"""Long enough for several attempts of a worker, and much shorter than a minute."""
QUESTION = {"model": "echo", "messages": [{"role": "user", "content": "one two"}]}


def ask(servers: Launch) -> int:
    url = f"{servers.base_url}/chat/completions"
    return httpx.post(url, json=QUESTION, timeout=20, trust_env=False).status_code


def complaints(home: Path) -> list[str]:
    """What the worker has said of a secret that is not accepted."""
    lines = Home(home).log_of(WORKER).read_text("utf-8").splitlines()
    events = [json.loads(line) for line in lines if line.startswith("{")]
    return [e["reason"] for e in events if "secret" in e.get("reason", "")]


def readiness(workers: Launch) -> httpx.Response:
    return httpx.get(f"{workers.address(WORKER)}/readyz", timeout=5, trust_env=False)


def test_workers_of_another_secret_are_refused_say_so_and_get_no_requests(tmp_path: Path) -> None:
    home, servers_home = tmp_path / "home", tmp_path / "servers"
    write_home(home)
    with launched(servers_home, "-o", SHORTLINE_CONTROLLER__SECRET=OURS) as servers:
        ports = {
            f"SHORTLINE_{name.upper()}__PORT": servers.address(name).rpartition(":")[2]
            for name in ("controller", "openai_api")
        }
        joining = {"SHORTLINE_CONTROLLER__SECRET": OURS}
        with launched(home, "-m", "-c", servers.address("controller"), **joining) as workers:
            until(lambda: ask(servers) == 200, 10)
            servers.process.terminate()
            servers.wait(30)
            with launched(servers_home, "-o", SHORTLINE_CONTROLLER__SECRET=THEIRS, **ports) as new:
                until(lambda: readiness(workers).status_code == 503, 5)
                time.sleep(LISTEN_S)
                assert "does not accept our secret" in readiness(workers).json()["missing"]
                assert len(complaints(home)) == 1
                assert LISTEN_S < COMPLAIN_S
                assert ask(new) == 404  # this gateway has never heard of the model
                assert httpx.get(f"{new.base_url}/models", trust_env=False).json()["data"] == []
                assert not workers.status()["ready"]
                assert "does not accept our secret" in workers.rows()[WORKER]["missing"]
            with launched(servers_home, "-o", SHORTLINE_CONTROLLER__SECRET=OURS, **ports) as back:
                until(lambda: ask(back) == 200, 30)
                until(lambda: workers.status()["ready"], 5)
                assert readiness(workers).status_code == 200
