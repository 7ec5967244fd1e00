from __future__ import annotations

import os
import socket
from collections.abc import Callable, Iterable

import pytest

from server.core.settings import AppSettings, ControllerSettings, FleetSettings, GatewaySettings
from server.launcher.care.check_machine import check_packages, check_python, requirements_of
from server.launcher.care.check_running import check_ports
from server.launcher.care.doctor import doctor, examine
from server.launcher.care.finding import Finding
from server.launcher.running.state import start_of, write_state
from server.launcher.setup.home import Home
from server.launcher.setup.installation import Installation
from server.wire.launcher import ChildState, LauncherState

Examine = Callable[..., list[Finding]]


@pytest.fixture
def findings(home: Home, installation: Installation) -> Examine:
    def run(**environ: str) -> list[Finding]:
        return list(examine(home, environ, installation))

    return run


def about(word: str, findings: Iterable[Finding]) -> list[tuple[str, str]]:
    return [(f.level, f.text) for f in findings if f.about == word]


def test_a_good_home_has_nothing_wrong(home: Home, findings: Examine) -> None:
    home.fleet_file.write_text(
        "controller: {port: 0}\nopenai_api: {port: 0}\napi: {port: 0}\n"
        "models:\n  - {name: a, path: 'bundled:tiny', engine: echo}\n"
    )
    found = findings()
    assert [f for f in found if f.level == "wrong"] == []
    assert ("ok", "no, nothing runs in this home") in about("running", found)


def test_each_kind_of_mistake_is_found_with_its_remedy(home: Home, findings: Examine) -> None:
    home.fleet_file.write_text("models:\n  - {name: a, path: ./gone, engine: warp}\n")
    (home.providers / "p.yaml").write_text("name: p\n")
    home.data.chmod(0o755)
    found = findings(
        SHORTLINE_CONTROLLER__PORT="0", SHORTLINE_OPENAI_API__PORT="0", SHORTLINE_API__PORT="0"
    )
    wrong = {f.about for f in found if f.level == "wrong"}
    assert wrong == {"models", "providers", "modes"}
    assert all(f.mend for f in found if f.level == "wrong")


def test_a_broken_config_is_the_last_thing_looked_at(home: Home, findings: Examine) -> None:
    home.fleet_file.write_text("controler: {}\n")
    last = findings()[-1]
    assert last.level == "wrong"
    assert "controler: there is no such setting" in last.text


def test_a_provider_that_is_off_names_its_variable(home: Home, findings: Examine) -> None:
    home.fleet_file.touch()
    (home.providers / "p.yaml").write_text(
        "name: p\nbase_url: https://a.example\napi_key_env: P_KEY\n"
    )
    assert about("providers", findings()) == [("ok", "p is off: P_KEY not set")]
    assert about("providers", findings(P_KEY="sk-hidden")) == [("ok", "p is on")]


def test_a_port_is_free_or_ours_or_somebody_elses(home: Home) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        settings = FleetSettings(
            controller=ControllerSettings(port=port),
            openai_api=GatewaySettings(port=0),
            api=AppSettings(port=0),
        )
        assert [f.level for f in check_ports(settings, home)] == ["wrong", "ok", "ok"]
        child = ChildState(name="controller", role="controller", pid=os.getpid())
        state = LauncherState(
            pid=os.getpid(),
            created=start_of(os.getpid()) or 0.0,
            version="0",
            home="",
            log_folder="",
            drain_s=20,
            children=(child,),
        )
        write_state(state, home.state_file)
        assert [f.level for f in check_ports(settings, home)] == ["ok", "ok", "ok"]


def test_packages_are_compared_with_what_is_required() -> None:
    found = list(check_packages(["psutil>=1", "psutil>=999", "no-such-package", "x; extra == 'y'"]))
    assert [f.level for f in found] == ["wrong", "wrong", "ok"]


def test_the_requirements_of_the_checkout_are_read() -> None:
    names = requirements_of(Installation())
    assert any(name.startswith("psutil") for name in names)


def test_an_old_python_is_wrong() -> None:
    assert [f.level for f in check_python((3, 10))] == ["wrong"]
    assert [f.level for f in check_python((3, 11))] == ["ok"]


def test_the_exit_code_tells_whether_something_is_wrong(
    home: Home, installation: Installation, capsys: pytest.CaptureFixture[str]
) -> None:
    home.fleet_file.write_text("controller: {port: 0}\nopenai_api: {port: 0}\napi: {port: 0}\n")
    assert doctor(home, {}, installation) == 0
    home.data.chmod(0o755)
    assert doctor(home, {}, installation) == 1
    assert f"-> chmod 700 {home.data}" in capsys.readouterr().out
