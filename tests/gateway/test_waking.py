"""Requests for models that are not loaded, seen from outside."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from server.core.settings import GatewaySettings, RouteSettings
from server.wire.fleet import SECRET_HEADER, FleetView, Resting, WorkerView
from tests.fakes.upstream import says, upstream, whole
from tests.fakes.waiting import until
from tests.gateway.conftest import SECRET, Served, gateway, view

CHAT = "/v1/chat/completions"
OURS = {SECRET_HEADER: SECRET.get_secret_value()}
GOOD = says(whole(b'{"choices":[]}'))
LEAVING = says(whole(b'{"error":{"code":"unavailable"}}', "503 Service Unavailable"))
ASLEEP = Resting(model="m", abilities=("chat",), context_length=64, places=2)


def hear(served: Served, *workers: WorkerView, rests: Resting | None = ASLEEP) -> None:
    """What the controller says next."""
    resting = () if rests is None else (rests,)
    served.parts.fleet.apply(FleetView(workers=workers, resting=resting))
    served.parts.relay.waking.look()


def wanted(served: Served, monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The models that it asks the controller for."""
    asked: list[str] = []

    async def wake(model: str) -> None:
        asked.append(model)

    monkeypatch.setattr(served.parts.relay.waking, "_wake", wake)
    return asked


async def test_a_request_wakes_its_model_waits_and_is_answered(
    ask: dict[str, object], monkeypatch: pytest.MonkeyPatch
) -> None:
    async with upstream(GOOD) as worker, gateway() as served:
        hear(served)
        asked = wanted(served, monkeypatch)
        answer = asyncio.create_task(served.client.post(CHAT, json=ask))
        await until(lambda: asked == ["m"])
        hear(served, rests=ASLEEP.model_copy(update={"state": "loading"}))
        assert not answer.done()
        hear(served, view(worker.url), rests=None)
        assert (await answer).status_code == 200


async def test_our_processes_are_told_that_it_is_being_loaded_for_a_request(
    ask: dict[str, object], monkeypatch: pytest.MonkeyPatch
) -> None:
    async with upstream(GOOD) as worker, gateway() as served:
        hear(served)
        asked = wanted(served, monkeypatch)
        headers = {"x-request-id": "r1"}
        answer = asyncio.create_task(served.client.post(CHAT, json=ask, headers=headers))
        await until(lambda: asked == ["m"])
        place = await served.client.get("/shortline/queue/r1", headers=OURS)
        assert place.json() == {"position": 0, "loading": True}
        hear(served, rests=ASLEEP.model_copy(update={"state": "loading", "done": 0.25}))
        place = await served.client.get("/shortline/queue/r1", headers=OURS)
        assert place.json() == {"position": 0, "loading": True, "done": 0.25}
        hear(served, view(worker.url), rests=None)
        await answer
        assert (await served.client.get("/shortline/queue/r1", headers=OURS)).status_code == 404


async def test_clients_see_it_asleep_and_the_gateway_is_ready() -> None:
    async with gateway(expected=("m",)) as served:
        hear(served)
        (listed,) = (await served.client.get("/v1/models")).json()["data"]
        assert (listed["id"], listed["state"]) == ("m", "asleep")
        assert (listed["abilities"], listed["context_length"]) == (["chat"], 64)
        assert served.parts.fleet.missing() is None
        hear(served, rests=ASLEEP.model_copy(update={"trouble": "no room"}))
        assert served.parts.fleet.missing() == "no worker for m"


@pytest.mark.parametrize(
    ("rests", "status", "code", "words"),
    [
        (ASLEEP, 503, "model_loading", "within 0.2 s"),
        (
            ASLEEP.model_copy(update={"trouble": "it is too big"}),
            503,
            "model_not_loaded",
            "too big",
        ),
        (
            ASLEEP.model_copy(update={"abilities": ("embeddings",)}),
            400,
            "unsupported_model",
            "chat",
        ),
        (ASLEEP.model_copy(update={"places": 0}), 429, "overloaded", "wait for it"),
        (None, 404, "model_not_found", "does not exist"),
    ],
)
async def test_what_it_waits_for_in_vain_is_told(
    ask: dict[str, object], rests: Resting | None, status: int, code: str, words: str
) -> None:
    async with gateway(settings=GatewaySettings(wake_s=0.2)) as served:
        hear(served, rests=rests)
        answer = await served.client.post(CHAT, json=ask)
        error: dict[str, Any] = answer.json()["error"]
        assert (answer.status_code, error["code"]) == (status, code)
        assert words in error["message"]


async def test_trouble_and_an_operators_stop_end_the_waiting(ask: dict[str, object]) -> None:
    for news in (ASLEEP.model_copy(update={"trouble": "it is too big"}), None):
        async with gateway() as served:
            hear(served)
            answer = asyncio.create_task(served.client.post(CHAT, json=ask))
            await until(lambda: bool(served.parts.relay.waking._news))
            hear(served, rests=news)
            assert (await answer).status_code == 503


async def test_a_worker_that_leaves_at_that_moment_loses_no_request(ask: dict[str, object]) -> None:
    async with upstream(LEAVING) as old, upstream(GOOD) as new, gateway() as served:
        hear(served, view(old.url))
        answer = asyncio.create_task(served.client.post(CHAT, json=ask))
        await until(lambda: bool(served.parts.relay.waking._news))
        hear(served, view(old.url), view(new.url), rests=None)
        assert (await answer).status_code == 200
        assert (len(old.received), len(new.received)) == (1, 1)


async def test_nobody_waits_for_a_worker_that_is_up_and_fails(ask: dict[str, object]) -> None:
    async with upstream(LEAVING) as worker, gateway() as served:
        hear(served, view(worker.url), rests=None)
        assert (await served.client.post(CHAT, json=ask)).status_code == 503


async def test_a_chain_passes_over_what_rests_and_wakes_it_for_the_next(
    ask: dict[str, object], monkeypatch: pytest.MonkeyPatch
) -> None:
    route = RouteSettings.model_validate({"name": "best", "to": ["m"], "fallback": ["small"]})
    settings = GatewaySettings(routes=(route,))
    async with upstream(GOOD) as worker, gateway(settings=settings) as served:
        hear(served, view(worker.url, models=("small",)))
        asked = wanted(served, monkeypatch)
        assert (await served.client.post(CHAT, json=ask | {"model": "best"})).status_code == 200
        assert asked == ["m"]
        assert len(worker.received) == 1


async def test_a_client_that_leaves_is_waited_for_no_more(ask: dict[str, object]) -> None:
    async with gateway() as served:
        hear(served)
        answer = asyncio.create_task(served.client.post(CHAT, json=ask))
        waking = served.parts.relay.waking
        await until(lambda: bool(waking._news))
        answer.cancel()
        await until(lambda: not waking._news and not waking._asking)
