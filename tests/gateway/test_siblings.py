"""What several gateways know only together."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from server.wire.fleet import SECRET_HEADER, FleetView, GatewayView
from tests.fakes.upstream import Received, Upstream, Writer, upstream, whole
from tests.fakes.waiting import until
from tests.gateway.conftest import SECRET, Served, gateway, view

CHAT = "/v1/chat/completions"
OURS = {SECRET_HEADER: SECRET.get_secret_value()}


@asynccontextmanager
async def two(worker: Upstream, *more: GatewayView) -> AsyncIterator[tuple[Served, Served]]:
    """Two gateways in front of one worker, who have heard of each other and of `more`."""
    there = view(worker.url, slots=1, queue=8)
    async with gateway(there, id="one") as one, gateway(there, id="two") as other:
        known = (
            GatewayView(id="one", address=one.url),
            GatewayView(id="two", address=other.url),
            *more,
        )
        for served in (one, other):
            served.fleet.apply(FleetView(workers=(there,), gateways=known))
        yield one, other


async def test_both_tell_what_either_has_seen(ask: dict[str, object]) -> None:
    gate = asyncio.Event()

    async def script(request: Received, writer: Writer) -> None:
        if request.header("x-request-id") == "late":
            await gate.wait()
        writer.write(whole(b'{"usage":{"prompt_tokens":1,"completion_tokens":2}}'))

    async with upstream(script) as worker, two(worker) as (one, other):
        await one.client.post(CHAT, json=ask, headers={"x-request-id": "early"})
        post = other.client.post(CHAT, json=ask, headers={"x-request-id": "late"})
        late = asyncio.create_task(post)
        await until(lambda: len(worker.received) == 2)
        for served in (one, other):
            get = served.client.get
            stats = (await get("/shortline/stats", headers=OURS)).json()[worker.url]
            assert (stats["served"], stats["in_flight"]) == (1, 1)
            for id, state in (("early", "complete"), ("late", "running")):
                told = (await get(f"/shortline/requests/{id}", headers=OURS)).json()
                assert told["state"] == state
            place = await get("/shortline/queue/late", headers=OURS)
            assert place.json() == {"position": 0}
            assert (await get("/shortline/queue/none", headers=OURS)).status_code == 404
            assert (await get("/shortline/requests/none", headers=OURS)).status_code == 404
        gate.set()
        await late


async def test_metrics_are_those_of_both(ask: dict[str, object]) -> None:
    async def script(_: Received, writer: Writer) -> None:
        writer.write(whole(b"{}"))

    async with upstream(script) as worker, two(worker) as (one, other):
        for served in (one, other, other):
            await served.client.post(CHAT, json=ask)
        text = (await one.client.get("/metrics")).text
        counts = [
            line for line in text.splitlines() if line.startswith("shortline_requests_total{")
        ]
        assert sorted(line.rpartition(" ")[2] for line in counts) == ["1.0", "2.0"]


async def test_one_that_does_not_answer_is_left_out(ask: dict[str, object]) -> None:
    async def script(_: Received, writer: Writer) -> None:
        writer.write(whole(b"{}"))

    dead = GatewayView(id="dead", address="http://127.0.0.1:9")
    async with upstream(script) as worker, two(worker, dead) as (one, _):
        await one.client.post(CHAT, json=ask)
        stats = await one.client.get("/shortline/stats", headers=OURS)
        assert stats.json()[worker.url]["served"] == 1


async def test_an_id_is_passed_on_as_it_is_whatever_it_holds() -> None:
    asked: list[Received] = []

    async def script(request: Received, writer: Writer) -> None:
        asked.append(request)
        writer.write(whole(b'{"position": 3}'))

    async with upstream(script) as other, upstream(script) as worker:
        sibling = GatewayView(id="sibling", address=other.url)
        async with two(worker, sibling) as (one, _):
            odd = "/shortline/queue/a%20b%0D%0Ax-evil:%201%0D%0A%E2%82%AC"
            place = await one.client.get(odd, headers=OURS)
    assert place.json() == {"position": 3}
    [request] = asked
    assert request.head.startswith(f"GET {odd.replace(':', '%3A')}/own HTTP/1.1\r\n".encode())
    assert request.header("x-evil") is None
