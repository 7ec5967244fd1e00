"""What the gateway tells of itself: places in the queue, and how its workers have done."""

from __future__ import annotations

import asyncio
from typing import Any

import httpx
import pytest
from pydantic import SecretStr

from server.core.settings import GatewaySettings
from server.wire.fleet import SECRET_HEADER
from tests.fakes.upstream import (
    LAST_CHUNK,
    STREAM_HEAD,
    Received,
    Upstream,
    Writer,
    chunk,
    says,
    upstream,
    whole,
)
from tests.fakes.waiting import until
from tests.gateway.conftest import SECRET, Served, gateway, view

CHAT = "/v1/chat/completions"
OURS = {SECRET_HEADER: SECRET.get_secret_value()}
KEYS = GatewaySettings(api_keys=(SecretStr("sk-mine-1"),))


async def position(served: Served, request_id: str) -> int:
    answer = await served.client.get(f"/shortline/queue/{request_id}", headers=OURS)
    assert answer.status_code == 200, answer.text
    place: int = answer.json()["position"]
    return place


async def stats(served: Served, worker: Upstream) -> dict[str, Any]:
    answer = await served.client.get("/shortline/stats", headers=OURS)
    found: dict[str, Any] = answer.json()[worker.url]
    return found


@pytest.mark.parametrize("settings", [GatewaySettings(), KEYS])
@pytest.mark.parametrize("path", ["/shortline/stats", "/shortline/queue/x"])
async def test_only_our_processes_are_told(settings: GatewaySettings, path: str) -> None:
    async with gateway(settings=settings) as served:
        for headers in ({}, {"authorization": "Bearer sk-mine-1"}, {SECRET_HEADER: "x" * 32}):
            assert (await served.client.get(path, headers=headers)).status_code == 401
        assert (await served.client.get(path, headers=OURS)).status_code in (200, 404)
        assert (await served.client.post(path, headers=OURS)).status_code == 405


async def test_the_secret_is_no_key(ask: dict[str, object]) -> None:
    async with gateway(settings=KEYS) as served:
        assert (await served.client.get("/v1/models", headers=OURS)).status_code == 401


async def test_each_request_knows_its_place_and_moves_up(ask: dict[str, object]) -> None:
    gates = [asyncio.Event() for _ in range(4)]

    async def script(request: Received, writer: Writer) -> None:
        await gates[int((request.header("x-request-id") or "")[1:])].wait()
        writer.write(whole(b"{}"))

    async with upstream(script) as worker, gateway(view(worker.url, slots=2)) as served:
        tasks = []
        for number in range(4):
            headers = {"x-request-id": f"r{number}"}
            tasks.append(asyncio.create_task(served.client.post(CHAT, json=ask, headers=headers)))
            await until(lambda number=number: len(worker.received) == number + 1)  # type: ignore[misc]
        assert [await position(served, f"r{n}") for n in range(4)] == [0, 0, 1, 2]
        gates[0].set()
        await tasks[0]
        assert [await position(served, f"r{n}") for n in range(1, 4)] == [0, 0, 1]
        gone = await served.client.get("/shortline/queue/r0", headers=OURS)
        assert (gone.status_code, gone.json()["error"]["code"]) == (404, "not_found")
        for gate in gates:
            gate.set()
        await asyncio.gather(*tasks)
        assert (await stats(served, worker))["served"] == 4


async def test_requests_of_other_gateways_are_taken_to_be_older(ask: dict[str, object]) -> None:
    gate = asyncio.Event()

    async def script(_: Received, writer: Writer) -> None:
        await gate.wait()
        writer.write(whole(b"{}"))

    load = {"running": 2, "waiting": 1, "by_gateway": {"gw": 0, "other": 3}}
    async with upstream(script) as worker, gateway(view(worker.url, load=load)) as served:
        post = served.client.post(CHAT, json=ask, headers={"x-request-id": "mine"})
        task = asyncio.create_task(post)
        await until(lambda: worker.received)
        assert await position(served, "mine") == 2
        gate.set()
        await task


async def test_what_was_served_and_how_long_it_took_is_told(ask: dict[str, object]) -> None:
    async def script(_: Received, writer: Writer) -> None:
        await asyncio.sleep(0.05)
        writer.write(STREAM_HEAD + chunk(b'data: {"choices": []}\n\n'))
        await asyncio.sleep(0.05)
        writer.write(chunk(b"data: [DONE]\n\n") + LAST_CHUNK)

    async with upstream(script) as worker, gateway(view(worker.url)) as served:
        nothing = await stats(served, worker)
        assert (nothing["in_flight"], nothing["served"], nothing["failed"]) == (0, 0, 0)
        assert nothing["first_byte_s"] == {"p50": None, "p95": None}
        for _ in range(3):
            assert (await served.client.post(CHAT, json=ask | {"stream": True})).is_success
        told = await stats(served, worker)
        assert (told["served"], told["failed"]) == (3, 0)
        assert 0.04 < told["first_byte_s"]["p50"] < told["whole_s"]["p50"]


@pytest.mark.parametrize(
    "answer",
    [
        whole(b"{}", "500 Internal Server Error"),
        whole(b"{}", "503 Service Unavailable"),
        b"",
        STREAM_HEAD + chunk(b'data: {"choices": []}\n\n'),
    ],
)
async def test_what_failed_is_told(answer: bytes, ask: dict[str, object]) -> None:
    async def script(_: Received, writer: Writer) -> None:
        writer.write(answer)
        if not answer.startswith(b"HTTP/1.1 50"):
            writer.close()

    async with upstream(script) as worker, gateway(view(worker.url)) as served:
        await served.client.post(CHAT, json=ask)
        told = await stats(served, worker)
        assert (told["served"], told["failed"], told["in_flight"]) == (0, 1, 0)


async def test_a_client_that_leaves_is_neither(ask: dict[str, object]) -> None:
    async def script(_: Received, writer: Writer) -> None:
        await asyncio.sleep(60)

    async with upstream(script) as worker, gateway(view(worker.url)) as served:
        with pytest.raises(httpx.ReadTimeout):
            await served.client.post(CHAT, json=ask, timeout=0.2)
        await until(lambda: served.fleet.in_flight() == {worker.url: 0})
        told = await stats(served, worker)
        assert (told["served"], told["failed"]) == (0, 0)


async def test_tokens_are_counted_by_a_worker_that_can(ask: dict[str, object]) -> None:
    counted = b'{"count":3,"max_model_len":9,"tokens":[1,2,3]}'
    async with upstream(says(whole(counted))) as worker, gateway(view(worker.url)) as served:
        for body in (ask, {"model": "m", "prompt": "a"}):
            answer = await served.client.post("/tokenize", json=body)
            assert answer.content == counted
        assert b"POST /tokenize " in worker.received[0].head
        assert (await stats(served, worker))["served"] == 0  # their times would say nothing


async def test_counting_tokens_needs_a_key_and_a_model_that_can(ask: dict[str, object]) -> None:
    async with gateway(view("http://127.0.0.1:9", abilities=("embeddings",))) as served:
        answer = await served.client.post("/tokenize", json=ask)
        assert (answer.status_code, answer.json()["error"]["code"]) == (400, "unsupported_model")
    async with gateway(settings=KEYS) as served:
        assert (await served.client.post("/tokenize", json=ask)).status_code == 401


async def test_a_fastchat_worker_counts_nothing(ask: dict[str, object]) -> None:
    async with gateway(view("http://127.0.0.1:9", protocol="fastchat")) as served:
        answer = await served.client.post("/tokenize", json=ask)
        assert answer.status_code == 404
        assert "FastChat" in answer.json()["error"]["message"]
