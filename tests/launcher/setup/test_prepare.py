from __future__ import annotations

import socket

import pytest

from server.core.errors import ConfigError
from server.launcher.setup.home import Home
from server.launcher.setup.installation import Installation
from server.launcher.setup.prepare import Prepared, prepare
from server.launcher.wanted import Wanted

LLM = Wanted(gateway=True, local=True, online=True)
FREE_PORTS = "controller: {port: 0}\nopenai_api: {port: 0}\n"
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
