"""Words that no worker says: refused, or understood and then told to nobody who cannot read them.

All of them come with the fleet's secret, as from a worker gone mad.
"""

from __future__ import annotations

import json
from typing import Any

import httpx
import pytest

from server.wire.fleet import SECRET_HEADER, FleetView
from tests.controller.registrations import A, registration
from tests.fakes.controller import SECRET, controller
from tests.fakes.spoiled import broken, spoiled, with_a_million_keys

pytestmark = pytest.mark.anyio

JSON = {"content-type": "application/json"}
TEXT = SECRET.get_secret_value()
LOAD = {
    "running": 1, "waiting": 0, "by_gateway": {"gw": 1}, "by_lane": {"batch": 0}, "cancelled": 0,
    "tokens_after_cancel": 0, "generated": 0,
}  # fmt: skip
REF = {"address": A, "generation": "g1"}
STATUS = {"model_names": ["vicuna"], "speed": 1, "queue_length": 7}
GOOD: dict[str, dict[str, Any]] = {
    "/fleet/register": registration().model_dump(mode="json") | {"load": LOAD},
    "/fleet/beat": REF | {"load": LOAD},
    "/fleet/drain": REF,
    "/fleet/resume": REF,
    "/fleet/leave": REF,
    "/fleet/lost": REF,
    "/register_worker": {
        "worker_name": A, "check_heart_beat": True, "worker_status": STATUS, "multimodal": False,
    },
    "/receive_heart_beat": {"worker_name": A, "queue_length": 1},
    "/get_worker_address": {"model": "m"},
    "/worker_generate": {"model": "nobody's", "prompt": "x"},
    "/worker_generate_stream": {"model": "nobody's", "prompt": "x"},
    "/worker_get_embeddings": {"model": "nobody's", "input": ["x"]},
    "/count_token": {"model": "nobody's", "prompt": "x"},
}  # fmt: skip
"""Every route that reads a body, with one that it understands."""
READS = ("/list_models", "/list_language_models", "/list_multimodal_models", "/worker_get_status")


def client(url: str) -> httpx.AsyncClient:
    return httpx.AsyncClient(
        base_url=url, headers={SECRET_HEADER: TEXT}, auth=("fastchat", TEXT), timeout=20
    )


def demand_typed(answer: httpx.Response, what: object) -> None:
    """Law TYPED."""
    error = answer.json()["error"]
    assert set(error) == {"message", "type", "param", "code", "request_id"}, what
    for inside in ("Traceback", "site-packages", ".py", "pydantic"):
        assert inside not in answer.text, (what, answer.text)


async def demand_readable(http: httpx.AsyncClient, what: object) -> None:
    """What gateways and FastChat's programs ask for is there, and makes sense to them."""
    told = await http.get("/fleet")
    assert told.status_code == 200, (what, told.text)
    FleetView.model_validate_json(told.content)
    for path in READS:
        answer = await http.post(path)
        assert answer.status_code == 200, (what, path, answer.text)
        assert "null" not in answer.text, (what, answer.text)


@pytest.mark.parametrize("path", GOOD)
async def test_a_spoiled_body_is_refused_and_changes_nothing(path: str) -> None:
    async with controller() as fleet, client(fleet.url) as http:
        fleet.registry.register(registration())
        before = fleet.registry.view()
        bodies = spoiled(GOOD[path]) | {"a million keys": with_a_million_keys(GOOD[path])}
        for name, body in bodies.items():
            answer = await http.post(path, content=body, headers=JSON)
            assert answer.status_code in (400, 413), (name, answer.text)
            demand_typed(answer, name)
        assert fleet.registry.view() == before
        fleet.registry.remove(registration(), "the next one, please")
        good = await http.post(path, json=GOOD[path] | {"generation": "g2"})
        assert good.status_code == 200, good.text


@pytest.mark.parametrize("path", GOOD)
async def test_a_wrong_value_in_any_field_is_refused_or_can_be_told_on(path: str) -> None:
    failed = []
    async with controller() as fleet, client(fleet.url) as http:
        for port, (what, body) in enumerate(broken(GOOD[path]), 10_000):
            address = f"http://127.0.0.1:{port}"
            if path != "/register_worker":
                fleet.registry.register(registration(address))
            sent = json.dumps(body).replace(A, address)
            answer = await http.post(path, content=sent, headers=JSON)
            try:
                asked_in_vain = '"code":"upstream_failed"' in answer.text  # no worker listens there
                assert answer.status_code < 500 or asked_in_vain, (what, answer.text)
                if answer.status_code >= 400:
                    demand_typed(answer, what)
                await demand_readable(http, what)
            except (AssertionError, ValueError) as error:
                failed.append(f"{what}: {error!s:.200}")
            for worker in fleet.registry.view().workers:
                fleet.registry.remove(worker, "the next one, please")
    assert failed == []
