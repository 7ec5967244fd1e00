"""API keys and their limits, seen from outside."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any

import httpx
import pytest
from pydantic import SecretStr

from server.core.settings import GatewaySettings
from server.ledger.ledger import Ledger
from server.ledger.new_key import NewKey
from tests.fakes.upstream import (
    STREAM_HEAD,
    Received,
    Writer,
    chunk,
    says,
    upstream,
    whole,
)
from tests.fakes.waiting import until
from tests.gateway.conftest import Served, gateway, view

CHAT = "/v1/chat/completions"
USED = b'{"choices":[],"usage":{"prompt_tokens":40,"completion_tokens":2,"total_tokens":42}}'
ANSWER = says(whole(USED))


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return tmp_path / "ledger.db"


def made(file: Path, **wish: Any) -> dict[str, str]:
    """The headers of a client with a new key."""
    ledger = Ledger.open(file)
    _, text = ledger.create_key(NewKey.model_validate({"name": "a", **wish}), now=1.0)
    ledger.close()
    return {"authorization": f"Bearer {text}"}


def code_of(answer: httpx.Response) -> str:
    code: str = answer.json()["error"]["code"]
    return code


async def test_the_first_key_closes_the_port_and_the_last_revoked_one_does_not_open_it(
    file: Path, ask: dict[str, object]
) -> None:
    async with upstream(ANSWER) as worker:
        async with gateway(view(worker.url), ledger_file=str(file)) as served:
            assert (await served.client.post(CHAT, json=ask)).status_code == 200
            key = made(file)
            await served.parts.customers.sync()
            assert (await served.client.post(CHAT, json=ask)).status_code == 401
            assert (await served.client.post(CHAT, json=ask, headers=key)).status_code == 200
            ledger = Ledger.open(file)
            ledger.revoke_key("a", 2.0)
            ledger.close()
            await served.parts.customers.sync()
            for headers in ({}, key):
                answer = await served.client.post(CHAT, json=ask, headers=headers)
                assert (answer.status_code, code_of(answer)) == (401, "invalid_api_key")
                # litellm's AuthenticationError needs these words; it does not look at the status.
                assert "Incorrect API key provided" in answer.json()["error"]["message"]
            assert len(worker.received) == 2


async def test_a_revoked_keys_running_answer_ends(file: Path, ask: dict[str, object]) -> None:
    async def script(_: Received, writer: Writer) -> None:
        writer.write(STREAM_HEAD + chunk(b'data: {"choices":[]}\n\n'))
        await writer.drain()
        await asyncio.sleep(60)

    key = made(file)
    async with upstream(script) as worker:
        async with gateway(view(worker.url), ledger_file=str(file)) as served:
            body = ask | {"stream": True}
            async with served.client.stream("POST", CHAT, json=body, headers=key) as answer:
                pieces = answer.aiter_bytes()
                await anext(pieces)
                ledger = Ledger.open(file)
                ledger.revoke_key("a", 2.0)
                ledger.close()
                await served.parts.customers.sync()
                rest = b"".join([piece async for piece in pieces])
            assert b"event: error" in rest
            assert b"was revoked" in rest
            await until(lambda: served.fleet.in_flight() == {worker.url: 0})


async def test_what_a_key_may_not_use_does_not_exist_for_it(
    file: Path, ask: dict[str, object]
) -> None:
    key = made(file, models=["other"])
    views = view("http://127.0.0.1:9"), view("http://127.0.0.1:8", models=("other",))
    async with gateway(*views, ledger_file=str(file)) as served:
        answer = await served.client.post(CHAT, json=ask, headers=key)
        assert (answer.status_code, code_of(answer)) == (404, "model_not_found")
        listed = (await served.client.get("/v1/models", headers=key)).json()["data"]
        assert [model["id"] for model in listed] == ["other"]
        shown = await served.client.get("/v1/models/m", headers=key)
        assert shown.status_code == 404
        metrics = await served.client.get("/metrics", headers=key)
        assert (metrics.status_code, code_of(metrics)) == (403, "forbidden")


async def test_a_daily_budget_is_not_overdrawn_by_many_at_once(
    file: Path, ask: dict[str, object]
) -> None:
    """Each may use 200 tokens and uses 42, so of 1,000 never more than five may run at once."""
    key = made(file, tokens_per_day=1000)
    running = most = 0

    async def script(_: Received, writer: Writer) -> None:
        nonlocal running, most
        running += 1
        most = max(most, running)
        await asyncio.sleep(0.05)
        running -= 1
        writer.write(whole(USED))

    async with upstream(script) as worker:
        there = view(worker.url, slots=50, queue=50, context_length=200)
        async with gateway(there, ledger_file=str(file)) as served:
            for _ in range(3):
                post = served.client.post
                answers = await asyncio.gather(
                    *(post(CHAT, json=ask, headers=key) for _ in range(30))
                )
                refused = [answer for answer in answers if answer.status_code == 429]
                assert {answer.status_code for answer in answers} <= {200, 429}
                assert all("retry-after" in answer.headers for answer in refused)
            assert most <= 5
            assert len(worker.received) * 42 <= 1000
            assert len(worker.received) >= 10


async def test_requests_that_no_worker_served_cost_nothing(
    file: Path, ask: dict[str, object]
) -> None:
    key = made(file, tokens_per_day=300)
    broken = says(whole(b"{}", "500 Internal Server Error"))
    async with upstream(broken) as worker:
        there = view(worker.url, context_length=200)
        async with gateway(there, ledger_file=str(file)) as served:
            for status in (500, 500, 500):
                answer = await served.client.post(CHAT, json=ask, headers=key)
                assert answer.status_code == status
            worker.script = ANSWER
            answer = await served.client.post(CHAT, json=ask, headers=key)
            assert answer.status_code == 200


async def test_the_keys_of_the_settings_have_no_limits_and_no_rights(
    file: Path, ask: dict[str, object]
) -> None:
    settings = GatewaySettings(api_keys=(SecretStr("sk-mine-1"),))
    mine = {"authorization": "Bearer sk-mine-1"}
    async with upstream(ANSWER) as worker:
        async with gateway(view(worker.url), settings=settings, ledger_file=str(file)) as served:
            assert (await served.client.post(CHAT, json=ask, headers=mine)).status_code == 200
            for path in ("/admin/keys", "/admin/usage", "/admin/routes"):
                answer = await served.client.get(path, headers=mine)
                assert (answer.status_code, code_of(answer)) == (403, "admin_key_required")


async def test_a_required_key_is_required_before_there_is_one(ask: dict[str, object]) -> None:
    async with gateway(settings=GatewaySettings(require_api_key=True)) as served:
        assert (await served.client.post(CHAT, json=ask)).status_code == 401
        assert (await served.client.get("/metrics")).status_code == 401


@pytest.mark.parametrize("lane", ["interactive", "batch"])
async def test_the_lane_goes_on_to_the_worker(lane: str, ask: dict[str, object]) -> None:
    async with upstream(ANSWER) as worker, gateway(view(worker.url)) as served:
        await served.client.post(CHAT, json=ask, headers={"x-priority": lane})
        assert worker.received[0].header("x-priority") == lane
        wrong = await served.client.post(CHAT, json=ask, headers={"x-priority": "now"})
        assert wrong.status_code == 400


@pytest.mark.parametrize(("second", "status"), [("BATCH", 200), ("interactive", 400)])
async def test_two_priorities_must_agree(second: str, status: int, ask: dict[str, object]) -> None:
    async with upstream(ANSWER) as worker, gateway(view(worker.url)) as served:
        headers = [("x-priority", "batch"), ("x-priority", second)]
        answer = await served.client.post(CHAT, json=ask, headers=headers)
        assert answer.status_code == status
        if status == 400:
            assert code_of(answer) == "invalid_priority"
            assert "says batch and another one interactive" in answer.text
        else:
            assert worker.received[0].header("x-priority") == "batch"


async def test_a_key_is_held_to_its_lane(file: Path, ask: dict[str, object]) -> None:
    key = made(file, lane="batch")
    async with upstream(ANSWER) as worker:
        async with gateway(view(worker.url), ledger_file=str(file)) as served:
            headers = {"x-priority": "interactive", **key}
            await served.client.post(CHAT, json=ask, headers=headers)
            assert worker.received[0].header("x-priority") == "batch"


async def routes_of(served: Served, boss: dict[str, str]) -> dict[str, str]:
    answer = await served.client.get("/admin/routes", headers=boss)
    return {route["name"]: route["set_by"] for route in answer.json()["data"]}


async def test_routes_are_changed_while_it_runs_and_stay_after_a_restart(
    file: Path, ask: dict[str, object]
) -> None:
    boss = made(file, admin=True)
    asked = ask | {"model": "gpt-4o"}
    async with upstream(ANSWER) as worker:
        async with gateway(view(worker.url), ledger_file=str(file)) as served:
            put = served.client.put
            assert (await put("/admin/routes/gpt-4o", json={"to": "m"}, headers=boss)).is_success
            assert (await served.client.post(CHAT, json=asked, headers=boss)).is_success
        async with gateway(view(worker.url), ledger_file=str(file)) as served:
            assert (await served.client.post(CHAT, json=asked, headers=boss)).is_success
            assert await routes_of(served, boss) == {"gpt-4o": "admin"}
            delete = served.client.delete
            assert (await delete("/admin/routes/gpt-4o", headers=boss)).is_success
            assert (await delete("/admin/routes/gpt-4o", headers=boss)).status_code == 404
            gone = await served.client.post(CHAT, json=asked, headers=boss)
            assert gone.status_code == 404


@pytest.mark.parametrize(
    ("name", "body", "status"),
    [
        ("a", {"to": []}, 400),
        ("a", {"to": "a b"}, 400),
        ("a", {"to": ["b"], "more": 1}, 400),
        ("a%00", {"to": "b"}, 400),
        ("m", {"to": "r"}, 400),
        ("a", {"to": "a"}, 400),
        ("x" * 300, {"to": "b"}, 400),
    ],
)
async def test_a_route_that_makes_no_sense_changes_nothing(
    name: str, body: dict[str, object], status: int, file: Path
) -> None:
    boss = made(file, admin=True)
    async with gateway(view("http://127.0.0.1:9"), ledger_file=str(file)) as served:
        await served.client.put("/admin/routes/r", json={"to": "m"}, headers=boss)
        answer = await served.client.put(f"/admin/routes/{name}", json=body, headers=boss)
        assert answer.status_code == status, answer.text
        assert await routes_of(served, boss) == {"r": "admin"}
