"""Servers that an administrator joins while the gateway runs."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx
import pytest

from server.clients.joined import JoinedFile
from server.core.settings import JoinedServer
from server.gateway.admin import servers
from server.ledger.ledger import Ledger
from server.ledger.new_key import NewKey
from server.wire.fleet import FLEET_HEADER, fleet_id
from server.wire.process import Join, Leave
from tests.fakes.servers import FakeServer
from tests.fakes.upstream import says, upstream, whole
from tests.gateway.conftest import SECRET, gateway, view

pytestmark = pytest.mark.anyio

PATH = "/admin/servers"
CONFIGURED = JoinedServer(url="http://gpu9:8000")


@dataclass
class Launcher:
    """It writes down what it is told, if it is willing."""

    file: Path
    willing: bool = True
    told: list[Join | Leave] = field(default_factory=list)

    def hear(self, wish: Join | Leave) -> None:
        self.told.append(wish)
        if not self.willing:
            return
        file = JoinedFile(self.file)
        assert file.add(wish.join) if isinstance(wish, Join) else file.remove(wish.leave)


@asynccontextmanager
async def served(tmp_path: Path) -> AsyncIterator[tuple[httpx.AsyncClient, Launcher]]:
    file = tmp_path / "ledger.db"
    ledger = Ledger.open(file)
    _, text = ledger.create_key(NewKey(name="boss", admin=True), now=1.0)
    ledger.close()
    launcher = Launcher(tmp_path / "joined.json")
    one = view("http://127.0.0.1:9", name="online_api gpu9-8000@here", server="vllm 0.11.0")
    async with gateway(
        one,
        ledger_file=str(file),
        joined_file=str(launcher.file),
        servers=(CONFIGURED,),
        say=launcher.hear,
    ) as gw:
        gw.client.headers["authorization"] = f"Bearer {text}"
        yield gw.client, launcher


async def refusal(client: httpx.AsyncClient, body: dict[str, Any]) -> tuple[int, str]:
    answer = await client.post(PATH, json=body)
    return answer.status_code, answer.json()["error"]["code"]


async def test_a_server_joins_is_listed_and_leaves(tmp_path: Path) -> None:
    fake = FakeServer("ollama", ["a:1b", "embed"])
    async with upstream(fake.script) as server, served(tmp_path) as (client, launcher):
        answer = await client.post(PATH, json={"url": server.url, "name": "mine"})
        assert answer.status_code == 201
        assert answer.json() == {
            "url": f"{server.url}/v1",
            "name": "mine",
            "api_key_env": None,
            "abilities": [],
            "slots": 64,
            "speed": 1.0,
            "set_by": "admin",
            "state": "absent",
            "server": "ollama 0.12.3",
            "models": ["a:1b", "embed"],
        }
        listed = {one["name"]: one for one in (await client.get(PATH)).json()["data"]}
        assert [(one["set_by"], one["state"]) for one in listed.values()] == [
            ("config", "ready"),
            ("admin", "absent"),
        ]
        assert listed["gpu9-8000"]["server"] == "vllm 0.11.0"
        assert (await client.delete(f"{PATH}/mine")).json() == {"name": "mine", "deleted": True}
        assert (await client.delete(f"{PATH}/mine")).status_code == 404
        assert len(launcher.told) == 2


async def test_who_is_no_administrator_may_not_even_look(tmp_path: Path) -> None:
    async with served(tmp_path) as (client, launcher):
        made = await client.post("/admin/keys", json={"name": "alice"})
        client.headers["authorization"] = f"Bearer {made.json()['key']}"
        for method, path in (("GET", PATH), ("POST", PATH), ("DELETE", f"{PATH}/x")):
            answer = await client.request(method, path, json={"url": "http://127.0.0.1:1"})
            assert (answer.status_code, answer.json()["error"]["code"]) == (
                403,
                "admin_key_required",
            )
        assert launcher.told == []


@pytest.mark.parametrize(
    ("body", "status", "code"),
    [
        ({}, 400, None),
        ({"url": "gpu1"}, 400, None),
        ({"url": "http://169.254.169.254/latest"}, 400, None),
        ({"url": "http://a", "name": "Not a name"}, 400, None),
        ({"url": "http://a", "unknown": 1}, 400, None),
        ({"url": "http://127.0.0.1:9"}, 400, "server_unreachable"),
        ({"url": "http://no-such-host.invalid"}, 400, "server_unreachable"),
        ({"url": "http://gpu9:8000/v1"}, 409, "server_joined"),
        ({"url": "http://a", "name": "openai"}, 409, "server_name_taken"),
        ({"url": "http://a", "name": "gpu9-8000"}, 409, "server_name_taken"),
        ({"url": "http://a", "api_key_env": "OPENAI_API_KEY"}, 400, "key_not_for_servers"),
    ],
)
async def test_what_cannot_join_is_refused_and_nothing_has_changed(
    tmp_path: Path, body: dict[str, Any], status: int, code: str | None
) -> None:
    async with served(tmp_path) as (client, launcher):
        assert await refusal(client, body) == (status, code)
        assert launcher.told == []


@pytest.mark.parametrize(
    ("answer", "status", "code"),
    [
        (whole(b"<html>hello</html>"), 400, "not_a_model_server"),
        (whole(b"", "302 Found", "location: http://127.0.0.1:1/"), 400, "not_a_model_server"),
        (whole(b"{}", "401 Unauthorized"), 400, "server_key_refused"),
    ],
)
async def test_what_answers_in_another_way_is_refused(
    tmp_path: Path, answer: bytes, status: int, code: str
) -> None:
    async with upstream(says(answer)) as server, served(tmp_path) as (client, launcher):
        assert await refusal(client, {"url": server.url}) == (status, code)
        assert launcher.told == []


async def test_one_that_wants_a_key_joins_with_the_name_of_its_variable(tmp_path: Path) -> None:
    fake = FakeServer("vllm", key="sk-1")
    async with upstream(fake.script) as server, served(tmp_path) as (client, launcher):
        body = {"url": server.url, "api_key_env": "SERVER_KEY_GPU"}
        assert (await client.post(PATH, json=body)).status_code == 201
        assert isinstance(launcher.told[0], Join)


async def test_our_own_gateway_cannot_join_itself_with_whatever_key(tmp_path: Path) -> None:
    async with served(tmp_path) as (client, launcher):
        url = str(client.base_url)
        body = {"url": url, "api_key_env": "SERVER_KEY_X"}
        assert await refusal(client, body) == (409, "own_gateway")
        del client.headers["authorization"]
        headers = {FLEET_HEADER: fleet_id(SECRET)}
        assert (await client.get("/v1/models", headers=headers)).status_code == 409
        assert launcher.told == []


async def test_another_shortline_hears_only_of_models_that_are_ours() -> None:
    own = view("http://127.0.0.1:8", models=("own", "both"))
    theirs = view("http://127.0.0.1:9", models=("theirs", "both"), server="shortline")
    async with gateway(own, theirs) as served_:
        listed = (await served_.client.get("/v1/models")).json()["data"]
        assert [model["id"] for model in listed] == ["both", "own", "theirs"]
        told = await served_.client.get("/v1/models", headers={FLEET_HEADER: "another"})
        assert [model["id"] for model in told.json()["data"]] == ["both", "own"]


async def test_a_launcher_that_does_not_do_it_is_told_of(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(servers, "HEARD_S", 0.05)
    async with (
        upstream(FakeServer("vllm").script) as server,
        served(tmp_path) as (client, launcher),
    ):
        launcher.willing = False
        assert await refusal(client, {"url": server.url}) == (409, "join_refused")


async def test_one_of_the_settings_cannot_be_taken_away(tmp_path: Path) -> None:
    async with served(tmp_path) as (client, _):
        answer = await client.delete(f"{PATH}/gpu9-8000")
        assert (answer.status_code, answer.json()["error"]["code"]) == (409, "server_configured")
