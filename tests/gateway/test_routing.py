"""Which worker gets a request, seen from outside: routes, breakers, the retry budget."""

from __future__ import annotations

import asyncio
import json
from contextlib import AsyncExitStack

import pytest

from server.core.limits import RETRY_RESERVE, RETRY_SHARE
from server.core.settings import GatewaySettings, RouteSettings
from server.gateway.breaker import OPENS_AFTER
from tests.fakes.upstream import Received, Writer, says, upstream, whole
from tests.gateway.conftest import gateway, view

CHAT = "/v1/chat/completions"
GOOD = says(whole(b'{"choices":[]}'))
FAILING = says(whole(b'{"error":{}}', "503 Service Unavailable"))


def routed(*routes: dict[str, object]) -> GatewaySettings:
    return GatewaySettings(routes=tuple(RouteSettings.model_validate(route) for route in routes))


async def test_an_alias_reaches_its_model_under_the_models_own_name(
    ask: dict[str, object],
) -> None:
    alias = routed({"name": "gpt-4o", "to": "m"})
    body = b'{"messages": [{"model":"gpt-4o"}],  "model" : "gpt-4o", "x":1.50}'
    async with upstream(GOOD) as worker, gateway(view(worker.url), settings=alias) as served:
        assert (await served.client.post(CHAT, content=body)).status_code == 200
        sent = worker.received[0].body
        assert sent == b'{"messages": [{"model":"gpt-4o"}],  "model" : "m", "x":1.50}'
        listed = (await served.client.get("/v1/models")).json()["data"]
        assert [model["id"] for model in listed] == ["gpt-4o", "m"]
        assert (await served.client.get("/v1/models/gpt-4o")).status_code == 200


async def test_an_adapter_is_listed_with_the_model_that_it_stands_over() -> None:
    told = view("http://127.0.0.1:1", models=("m", "pirate"), parents={"pirate": "m"})
    async with gateway(told, settings=routed({"name": "arr", "to": "pirate"})) as served:
        listed = (await served.client.get("/v1/models")).json()["data"]
    said = [(model["id"], model["root"], model["parent"]) for model in listed]
    assert said == [("arr", "arr", None), ("m", "m", None), ("pirate", "m", "m")]


async def test_a_chain_goes_on_where_a_models_workers_cannot_serve(ask: dict[str, object]) -> None:
    chain = routed({"name": "best", "to": ["gone"], "fallback": ["failing", "full", "m"]})
    async with AsyncExitStack() as stack:
        good, failing = [await stack.enter_async_context(upstream(s)) for s in (GOOD, FAILING)]
        full = view("http://127.0.0.1:1", models=("full",), load={"running": 4})
        served = await stack.enter_async_context(
            gateway(view(good.url), view(failing.url, models=("failing",)), full, settings=chain)
        )
        answer = await served.client.post(CHAT, json=ask | {"model": "best"})
        assert answer.status_code == 200
        assert json.loads(failing.received[0].body)["model"] == "failing"
        assert json.loads(good.received[0].body)["model"] == "m"


@pytest.mark.parametrize(
    ("workers", "status", "code"),
    [
        ([view("http://127.0.0.1:1", state="suspect")], 503, "unavailable"),
        ([view("http://127.0.0.1:1", load={"running": 4})], 429, "overloaded"),
        ([view("http://127.0.0.1:1", abilities=("embeddings",))], 400, "unsupported_model"),
    ],
)
async def test_a_chain_without_hope_says_why(
    workers: list[object], status: int, code: str, ask: dict[str, object]
) -> None:
    chain = routed({"name": "best", "to": "m", "fallback": ["k"]})
    async with gateway(*workers, settings=chain) as served:  # type: ignore[arg-type]
        answer = await served.client.post(CHAT, json=ask | {"model": "best"})
        assert (answer.status_code, answer.json()["error"]["code"]) == (status, code)


@pytest.mark.parametrize(
    ("route", "named"),
    [
        ({"name": "best", "to": "m", "fallback": ["k"]}, "'m', 'k'"),
        ({"name": "best", "to": "m"}, "'m'"),
    ],
)
async def test_a_route_to_models_that_nobody_ever_offered_is_not_found(
    route: dict[str, object], named: str, ask: dict[str, object]
) -> None:
    async with gateway(settings=routed(route)) as served:
        answer = await served.client.post(CHAT, json=ask | {"model": "best"})
        assert (answer.status_code, answer.json()["error"]["code"]) == (404, "model_not_found")
        assert "retry-after" not in answer.headers
        assert answer.json()["error"]["message"] == (
            f"'best' stands for {named}, and no such model exists here; "
            "GET /v1/models lists those that do."
        )


async def test_a_worker_that_keeps_failing_is_left_alone_and_tried_again(
    ask: dict[str, object],
) -> None:
    async with upstream(FAILING) as worker, gateway(view(worker.url)) as served:
        answers = [await served.client.post(CHAT, json=ask) for _ in range(20)]
        assert {answer.status_code for answer in answers} == {503}
        assert len(worker.received) == OPENS_AFTER["failed"]
        assert int(answers[-1].headers["retry-after"]) >= 1
        worker.script = GOOD
        await asyncio.sleep(1.1)  # its rest
        together = await asyncio.gather(*(served.client.post(CHAT, json=ask) for _ in range(5)))
        assert [answer.status_code for answer in together].count(200) >= 1
        assert (await served.client.post(CHAT, json=ask)).status_code == 200


async def test_what_is_the_clients_own_fault_opens_no_breaker(ask: dict[str, object]) -> None:
    wrong = says(whole(b'{"error":{"message":"no"}}', "400 Bad Request"))
    async with upstream(wrong) as worker, gateway(view(worker.url)) as served:
        for _ in range(20):
            assert (await served.client.post(CHAT, json=ask)).status_code == 400
        assert len(worker.received) == 20


async def test_a_worker_that_does_not_trust_us_is_not_the_clients_bad_key(
    ask: dict[str, object],
) -> None:
    wrong = says(whole(b'{"error":{"message":"bad key"}}', "401 Unauthorized"))
    async with upstream(wrong) as worker, gateway(view(worker.url)) as served:
        answer = await served.client.post(CHAT, json=ask)
        assert (answer.status_code, answer.json()["error"]["code"]) == (502, "worker_refused")


async def test_a_storm_of_failures_stays_within_the_budget_of_retries(
    ask: dict[str, object],
) -> None:
    """Workers that fail half of what they are asked, so that no breaker helps."""

    def flaky() -> object:
        turns = iter(range(10_000))

        async def script(request: Received, writer: Writer) -> None:
            await (GOOD if next(turns) % 3 else FAILING)(request, writer)

        return script

    requests = 600
    async with AsyncExitStack() as stack:
        workers = [await stack.enter_async_context(upstream(flaky())) for _ in range(3)]  # type: ignore[arg-type]
        served = await stack.enter_async_context(gateway(*(view(w.url) for w in workers)))
        for _ in range(requests):
            await served.client.post(CHAT, json=ask)
        sent = sum(len(worker.received) for worker in workers)
        assert requests < sent <= requests * (1 + RETRY_SHARE) + RETRY_RESERVE
