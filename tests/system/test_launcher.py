"""The real product, killed and mistreated."""

from __future__ import annotations

import os
import signal
import socket
import time
from pathlib import Path

import httpx
import psutil
import pytest

from server.core.limits import SETTLE_S
from tests.system.launch import (
    ECHO,
    FREE_PORTS,
    Launch,
    command,
    is_alive,
    launched,
    refused,
    until,
    write_home,
)

pytestmark = [pytest.mark.system, pytest.mark.slow]

WORKER = "model_worker echo"
QUESTION = {"model": "echo", "messages": [{"role": "user", "content": "one two three"}]}


@pytest.fixture
def home(tmp_path: Path) -> Path:
    home = tmp_path / "home"
    write_home(home)
    return home


def port_of(address: str) -> int:
    return int(address.rpartition(":")[2])


def is_free(port: int) -> bool:
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("127.0.0.1", port))
        except OSError:
            return False
    return True


def ask(launch: Launch) -> httpx.Response:
    url = f"{launch.address('openai_api')}/v1/chat/completions"
    return httpx.post(url, json=QUESTION, timeout=20, trust_env=False)


def test_one_command_starts_a_fleet_that_answers_and_stop_ends_it(home: Path) -> None:
    with launched(home) as launch:
        assert set(launch.rows()) == {"controller", "openai_api", WORKER}
        assert launch.address("openai_api") + "/v1" in launch.said()
        answer = ask(launch)
        assert answer.status_code == 200, answer.text
        assert "three" in answer.json()["choices"][0]["message"]["content"]
        assert command(home, "status").returncode == 0
        children = launch.children()
        ports = [port_of(launch.address(name)) for name in launch.rows()]
        stopped = command(home, "stop")
        assert stopped.returncode == 0, stopped.stdout
        assert launch.wait() == 0
    assert not any(map(is_alive, children))
    assert all(map(is_free, ports))
    assert [path.name for path in (home / "data/run").iterdir()] == ["lock"]
    assert command(home, "status").returncode == 3


def test_a_worker_killed_is_gone_from_the_models_in_a_second_and_comes_back(home: Path) -> None:
    with launched(home) as launch:
        url = f"{launch.address('openai_api')}/v1/models"
        pid = launch.rows()[WORKER]["pid"]

        def models() -> list[str]:
            answer = httpx.get(url, timeout=5, trust_env=False).json()
            return [model["id"] for model in answer["data"]]

        # A controller that has just started does not yet say that a worker is gone.
        until(lambda: launch.rows()["controller"]["uptime_s"] > SETTLE_S + 1, SETTLE_S + 10)
        assert models() == ["echo"]
        os.kill(pid, signal.SIGKILL)
        until(lambda: models() == [], 1.5)
        until(lambda: models() == ["echo"], 30)
        assert ask(launch).status_code == 200
        row = launch.rows()[WORKER]
        assert row["restarts"] == 1
        assert row["pid"] != pid
        assert f"{WORKER} died: killed" in launch.said()


@pytest.mark.parametrize("server", ["controller", "openai_api"])
def test_a_server_killed_comes_back_on_its_port(home: Path, server: str) -> None:
    with launched(home) as launch:
        before = launch.rows()[server]
        os.kill(before["pid"], signal.SIGKILL)
        until(lambda: launch.rows()[server]["pid"] not in (before["pid"], None), 20)
        until(lambda: launch.status()["ready"], 20)
        assert launch.rows()[server]["address"] == before["address"]
        until(lambda: ask(launch).status_code == 200, 20)


def test_a_launcher_killed_takes_all_with_it_and_the_next_start_works(home: Path) -> None:
    with launched(home) as launch:
        children = launch.children()
        ports = {
            f"SHORTLINE_{name.upper()}__PORT": str(port_of(launch.address(name)))
            for name in ("controller", "openai_api")
        }
        launch.process.kill()
        until(lambda: not any(map(is_alive, children)), 5)
        until(lambda: all(is_free(int(port)) for port in ports.values()), 5)
        assert "was killed" in command(home, "status").stdout
    with launched(home, **ports) as launch:
        assert ask(launch).status_code == 200


def test_a_launcher_killed_while_a_model_loads_leaves_nothing(home: Path) -> None:
    (home / "configs/fleet.yaml").write_text(ECHO + "    options: {load_ms: 60000}\n")
    launch = Launch(home, ["--llm-api"], FREE_PORTS)
    try:
        until(lambda: launch.rows().get(WORKER, {}).get("status") == "loading", 30)
        children = launch.children()
        assert len(children) == 3
    finally:
        launch.process.kill()
        launch.process.wait()
    until(lambda: not any(map(is_alive, children)), 5)


def test_ctrl_c_while_a_model_loads_ends_cleanly(home: Path) -> None:
    (home / "configs/fleet.yaml").write_text(ECHO + "    options: {load_ms: 60000}\n")
    launch = Launch(home, ["--llm-api"], FREE_PORTS)
    try:
        until(lambda: launch.rows().get(WORKER, {}).get("status") == "loading", 30)
        children = launch.children()
        launch.process.send_signal(signal.SIGINT)
        assert launch.wait(10) == 0, launch.said()
    finally:
        launch.process.kill()
        launch.process.wait()
    assert not any(map(is_alive, children))
    assert "Shortline is ready" not in launch.said()


def test_a_second_ctrl_c_ends_an_answer_that_runs(home: Path) -> None:
    (home / "configs/fleet.yaml").write_text(ECHO + "    options: {delay_ms: 5000}\n")
    with launched(home) as launch:
        children = launch.children()
        url = f"{launch.address('openai_api')}/v1/chat/completions"
        body = QUESTION | {"stream": True}
        with httpx.stream("POST", url, json=body, timeout=30, trust_env=False) as answer:
            assert answer.status_code == 200
            launch.process.send_signal(signal.SIGINT)
            until(lambda: "Stopping" in launch.said(), 5)
            time.sleep(1)
            assert launch.process.poll() is None  # it drains
            launch.process.send_signal(signal.SIGINT)
            assert launch.wait(2) == 1
    assert not any(map(is_alive, children))


def test_a_second_launcher_of_one_home_is_refused(home: Path) -> None:
    with launched(home) as launch:
        said = refused(home)
        assert f"another launcher (pid {launch.process.pid}) runs here" in said
        assert ask(launch).status_code == 200


def test_a_port_in_use_is_named_with_its_holder_and_left_alone(home: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        said = refused(home, SHORTLINE_OPENAI_API__PORT=str(port))
        assert f"openai_api: port {port}" in said
        assert f"pid {os.getpid()}" in said
        socket.create_connection(("127.0.0.1", port)).close()


@pytest.mark.parametrize(
    ("fleet", "expected"),
    [
        ("models: [\n", "not YAML"),
        ("controler: {}\n", "fleet.yaml, line 1: controler: there is no such setting"),
        (ECHO + "    path: /no/such\n", "there is no folder '/no/such'"),
        (ECHO.replace("engine: echo", "engine: warp\n    path: x"), "there is no engine 'warp'"),
        (ECHO + "    path: bundled:gone\n", "no model 'gone' is bundled"),
    ],
)
def test_a_broken_set_up_is_refused_and_named(home: Path, fleet: str, expected: str) -> None:
    (home / "configs/fleet.yaml").write_text(fleet)
    assert expected in refused(home)
    assert not (home / "data/run/state.json").exists()


def test_an_unknown_model_is_refused_with_those_there_are(home: Path) -> None:
    assert "'gone'; configs/fleet.yaml has: echo" in refused(home, "--llm-api", "-n", "gone")


def test_a_model_that_cannot_load_ends_the_start_and_is_named(home: Path) -> None:
    (home / "empty").mkdir()
    model = ECHO.replace("engine: echo", "engine: transformers") + "    path: ./empty\n"
    (home / "configs/fleet.yaml").write_text(model)
    launch = Launch(home, ["--llm-api"], FREE_PORTS)
    try:
        assert launch.wait(60) == 1, launch.said()
    finally:
        launch.process.kill()
        launch.process.wait()
    assert f"{WORKER} did not start: model 'echo': there is nothing in the folder" in launch.said()


def test_workers_of_one_home_join_the_controller_of_another(home: Path, tmp_path: Path) -> None:
    secret = {"SHORTLINE_CONTROLLER__SECRET": "s" * 40}
    other = tmp_path / "other"
    with launched(other, "-o", **secret) as servers:
        address = servers.address("controller")
        with launched(home, "-m", "-c", address, **secret) as workers:
            assert set(workers.rows()) == {WORKER}
            until(lambda: ask(servers).status_code == 200, 10)


def test_no_secret_is_in_arguments_or_in_the_environment_of_children(home: Path) -> None:
    (home / "configs/providers/p.yaml").write_text(
        "name: p\nbase_url: http://127.0.0.1:9\napi_key_env: P_KEY\nmodels: [far]\n"
    )
    secret = "canary-" + "s" * 40
    with launched(home, P_KEY="canary-key", SHORTLINE_CONTROLLER__SECRET=secret) as launch:
        children = launch.children()
        assert len(children) == 4
        for child in children:
            assert "canary" not in " ".join(child.cmdline())
            assert "canary" not in str(psutil.Process(child.pid).environ())
        written = [path for path in (home / "data").rglob("*") if path.is_file()]
        assert not any(b"canary" in path.read_bytes() for path in written)
