from __future__ import annotations

import socket

import pytest

from server.core.errors import ConfigError
from server.launcher.setup.home import Home
from server.launcher.setup.installation import Installation
from server.launcher.setup.prepare import Prepared, prepare
from server.launcher.wanted import Wanted
from server.wire.process import AppProcess

LLM = Wanted(gateway=True, local=True, online=True)
FREE_PORTS = "controller: {port: 0}\nopenai_api: {port: 0}\napi: {port: 0}\n"
KNOWN = {"SHORTLINE_CONTROLLER__SECRET": "s" * 32, "SHORTLINE_CONTROLLER__PORT": "20001"}
MODELS = "models:\n  - {name: a, path: x, engine: echo}\n"


def problems(
    home: Home, installation: Installation, wanted: Wanted = LLM, **environ: str
) -> list[str]:
    with pytest.raises(ConfigError) as caught:
        prepare(home, wanted, environ, installation)
    return caught.value.problems


def good(home: Home, installation: Installation, wanted: Wanted = LLM, **environ: str) -> Prepared:
    home.fleet_file.write_text(FREE_PORTS + MODELS)
    return prepare(home, wanted, environ, installation)


def test_a_good_set_up_becomes_a_plan(home: Home, installation: Installation) -> None:
    names = [child.name for child in good(home, installation).children]
    assert names == ["controller", "openai_api", "model_worker a"]


def test_mistakes_in_every_file_are_told_at_once(home: Home, installation: Installation) -> None:
    home.fleet_file.write_text("controller: {port: 70000}\nmodel: []\n")
    (home.providers / "p.yaml").write_text("name: p\n")
    home.env_file.write_text("A=1\n")
    home.env_file.chmod(0o644)
    found = "\n".join(problems(home, installation))
    assert "chmod 600" in found
    assert "fleet.yaml, line 1: controller.port" in found
    assert "fleet.yaml, line 2: model: there is no such setting" in found
    assert "p.yaml: the file: base_url or base_url_env is missing" in found


def test_a_missing_model_and_a_port_in_use_are_told_at_once(
    home: Home, installation: Installation
) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        home.fleet_file.write_text(
            f"controller: {{port: 0}}\nopenai_api: {{port: {port}}}\n"
            "models:\n  - {name: a, path: /no/such, engine: echo}\n"
        )
        missing, in_use = problems(home, installation)
    assert "model 'a': there is no folder '/no/such'" in missing
    assert f"openai_api: port {port} on 127.0.0.1 is in use by" in in_use
    assert "SHORTLINE_OPENAI_API__PORT" in in_use


def test_controller_and_gateway_cannot_share_a_port(home: Home, installation: Installation) -> None:
    with socket.create_server(("127.0.0.1", 0)) as probe:
        port = probe.getsockname()[1]
    home.fleet_file.write_text(f"controller: {{port: {port}}}\nopenai_api: {{port: {port}}}\n")
    (problem,) = problems(home, installation)
    assert problem == f"openai_api and controller cannot both have port {port}"


def test_ports_of_what_is_not_started_do_not_matter(home: Home, installation: Installation) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        home.fleet_file.write_text(f"openai_api: {{port: {port}}}\n" + MODELS)
        joining = Wanted(local=True, join="http://127.0.0.1:1")
        environ = {"SHORTLINE_CONTROLLER__SECRET": "s" * 32}
        plan = prepare(home, joining, environ, installation)
    assert [child.name for child in plan.children] == ["model_worker a"]


def test_the_env_file_counts_as_environment(home: Home, installation: Installation) -> None:
    (home.providers / "p.yaml").write_text(
        "name: p\nbase_url: https://a.example\napi_key_env: P_KEY\n"
    )
    home.env_file.write_text("P_KEY=sk-1\nSHORTLINE_CONTROLLER__DISPATCH=lottery\n")
    home.env_file.chmod(0o600)
    prepared = good(home, installation)
    assert "online_api p" in [child.name for child in prepared.children]
    assert not {"P_KEY", "SHORTLINE_CONTROLLER__DISPATCH"} & set(prepared.environ)


def test_the_environment_overrides_a_port(home: Home, installation: Installation) -> None:
    children = good(home, installation, SHORTLINE_OPENAI_API__PORT="0").children
    assert children[1].settings.port == 0


def test_a_secret_of_the_wrong_type_is_not_shown(home: Home, installation: Installation) -> None:
    found = str(problems(home, installation, SHORTLINE_OPENAI_API__API_KEYS="sk-hidden"))
    assert "SHORTLINE_OPENAI_API__API_KEYS" in found
    assert "sk-hidden" not in found


def test_a_host_that_others_can_reach_needs_api_keys(
    home: Home, installation: Installation
) -> None:
    (problem,) = problems(home, installation, SHORTLINE_OPENAI_API__HOST="0.0.0.0")
    assert "api_keys must be set" in problem


def test_an_old_home_without_the_apps_file_starts_with_its_defaults(
    home: Home, installation: Installation
) -> None:
    assert not home.app_file.exists()
    wanted = Wanted(gateway=True, local=True, app=True)
    app = good(home, installation, wanted).children[2].settings
    assert isinstance(app, AppProcess)
    assert app.database == f"sqlite+aiosqlite:///{home.root}/data/shortline.db"
    assert app.state_file == str(home.state_file)
    assert app.chat.window_turns == 200


def test_the_apps_file_counts(home: Home, installation: Installation) -> None:
    home.app_file.write_text("chat: {default_model: a}\n")
    app = good(home, installation, Wanted(gateway=True, app=True)).children[2].settings
    assert isinstance(app, AppProcess)
    assert app.chat.default_model == "a"


def test_the_app_server_alone_asks_the_gateway_that_runs(
    home: Home, installation: Installation
) -> None:
    home.fleet_file.write_text("openai_api: {port: 4711}\napi: {port: 0}\n")
    prepared = prepare(home, Wanted(app=True), {}, installation)
    (app,) = [plan.settings for plan in prepared.children]
    assert isinstance(app, AppProcess)
    assert (app.gateway_url, app.controller_url) == ("http://127.0.0.1:4711", "")


def test_the_app_server_alone_must_know_whom_to_ask(home: Home, installation: Installation) -> None:
    home.fleet_file.write_text(FREE_PORTS)
    (problem,) = problems(home, installation, Wanted(app=True))
    assert "SHORTLINE_API__GATEWAY_URL" in problem
    environ = {"SHORTLINE_API__GATEWAY_URL": "http://h:1/v1", **KNOWN}
    (app,) = prepare(home, Wanted(app=True), environ, installation).children
    assert isinstance(app.settings, AppProcess)
    assert app.settings.gateway_url == "http://h:1"
    assert app.settings.controller_url == "http://127.0.0.1:20001"


def test_the_port_of_the_app_server_is_looked_at(home: Home, installation: Installation) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        home.fleet_file.write_text(FREE_PORTS)
        (problem,) = problems(
            home, installation, Wanted(gateway=True, app=True), SHORTLINE_API__PORT=str(port)
        )
    assert f"api: port {port} on 127.0.0.1 is in use by" in problem
