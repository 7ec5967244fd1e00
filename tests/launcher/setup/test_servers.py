"""One line of `servers` is an online worker."""

from __future__ import annotations

import pytest

from server.core.errors import ConfigError
from server.core.settings import JoinedServer
from server.launcher.setup.home import Home
from server.launcher.setup.installation import Installation
from server.launcher.setup.prepare import prepare
from server.launcher.wanted import Wanted
from server.wire.process import GatewayProcess, OnlineWorkerProcess

LLM = Wanted(gateway=True, local=True, online=True)
PORTS = "controller: {port: 0}\nopenai_api: {port: 0}\napi: {port: 0}\n"
MODELS = "models:\n  - {name: a, path: x, engine: echo}\n"
SERVER = "servers: ['http://gpu1:8000']\n"


def test_a_line_becomes_a_worker_that_follows_the_server(
    home: Home, installation: Installation
) -> None:
    home.fleet_file.write_text(PORTS + MODELS + SERVER)
    children = {child.name: child for child in prepare(home, LLM, {}, installation).children}
    worker = children["online_api gpu1-8000"].settings
    assert isinstance(worker, OnlineWorkerProcess)
    assert worker.provider.base_url == "http://gpu1:8000/v1"
    assert (worker.provider.server, worker.provider.abilities) == (True, ())
    gateway = children["openai_api"].settings
    assert isinstance(gateway, GatewayProcess)
    assert [server.name for server in gateway.servers] == ["gpu1-8000"]


def test_it_can_come_from_the_environment(home: Home, installation: Installation) -> None:
    home.fleet_file.write_text(PORTS + MODELS)
    environ = {"SHORTLINE_SERVERS": '["http://gpu1:8000"]'}
    names = [child.name for child in prepare(home, LLM, environ, installation).children]
    assert "online_api gpu1-8000" in names


def test_its_key_reaches_its_worker_and_no_other_process(
    home: Home, installation: Installation
) -> None:
    home.fleet_file.write_text(
        PORTS + MODELS + "servers: [{url: 'http://gpu1', name: g, api_key_env: GPU1}]\n"
    )
    prepared = prepare(home, LLM, {"GPU1": "sk-1"}, installation)
    assert "GPU1" not in prepared.environ
    worker = prepared.children[-1].settings
    assert isinstance(worker, OnlineWorkerProcess)
    assert worker.api_key is not None
    assert worker.api_key.get_secret_value() == "sk-1"


def test_a_key_that_is_not_there_and_a_name_that_is_taken_are_mistakes(
    home: Home, installation: Installation
) -> None:
    (home.providers / "g.yaml").write_text("name: g\nbase_url: http://a\nenabled: false\n")
    home.fleet_file.write_text(
        PORTS + MODELS + "servers: [{url: 'http://gpu1', name: g, api_key_env: GPU1}]\n"
    )
    with pytest.raises(ConfigError) as caught:
        prepare(home, LLM, {}, installation)
    taken, missing = caught.value.problems
    assert "the name 'g' is taken by" in taken
    assert "GPU1 not set" in missing


def test_a_guest_gets_a_key_that_came_to_the_env_file_later(
    home: Home, installation: Installation
) -> None:
    home.fleet_file.write_text(PORTS + MODELS)
    guest = prepare(home, LLM, {}, installation).guest
    assert guest is not None
    server = JoinedServer(url="http://gpu1", name="g", api_key_env="GPU1")
    with pytest.raises(ConfigError, match="GPU1 not set"):
        guest(server)
    home.env_file.write_text("GPU1=sk-1\n")
    home.env_file.chmod(0o600)
    settings = guest(server).settings
    assert isinstance(settings, OnlineWorkerProcess)
    assert settings.api_key is not None
