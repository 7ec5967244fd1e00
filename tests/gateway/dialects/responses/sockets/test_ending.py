"""Who may have a connection, and how it ends: at a real gateway in front of workers on cue."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest
from websockets.asyncio.client import ClientConnection
from websockets.exceptions import InvalidStatus

from server.gateway.dialects.responses.responses import RESPONSES
from server.gateway.dialects.responses.sockets import conversation
from server.ledger.ledger import Ledger
from server.ledger.new_key import NewKey
from tests.fakes.upstream import STREAM_HEAD, Received, Writer, chunk, upstream
from tests.fakes.waiting import until
from tests.gateway.conftest import view
from tests.gateway.dialects.responses.conftest import keys_of, responding
from tests.gateway.dialects.responses.models import event, speaks, waits
from tests.gateway.dialects.responses.sockets.talk import (
    create,
    error_of,
    hear,
    made,
    talking,
)


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return tmp_path / "ledger.db"


async def talks_on(_: Received, writer: Writer) -> None:
    """As long as somebody listens."""
    writer.write(STREAM_HEAD)
    while True:
        writer.write(chunk(event(content="Hel")))
        await writer.drain()
        await asyncio.sleep(0.005)


async def closed_with(client: ClientConnection) -> int:
    async with asyncio.timeout(5):
        await client.wait_closed()
    assert client.close_code is not None
    return client.close_code


async def test_a_client_that_leaves_ends_its_responses() -> None:
    async with (
        upstream(talks_on) as worker,
        responding(view(worker.url)) as served,
    ):
        async with talking(served) as client:
            await create(client)
            await create(client)
            while (await hear(client))["type"] != "response.output_text.delta":
                pass
            client.transport.abort()
        async with asyncio.timeout(5):
            await worker.closed.wait()
        await until(lambda: served.drain.in_flight == 0)
        assert len(worker.received) == 1


async def test_the_key_is_checked_before_the_upgrade() -> None:
    async with (
        upstream(speaks("Hello")) as worker,
        responding(view(worker.url), settings=keys_of("sk-alpha-1")) as served,
    ):
        with pytest.raises(InvalidStatus) as wrong:
            async with talking(served, authorization="Bearer sk-beta-22"):
                pass
        assert wrong.value.response.status_code == 401
        with pytest.raises(InvalidStatus) as page:
            async with talking(
                served, authorization="Bearer sk-alpha-1", origin="https://evil.example"
            ):
                pass
        assert page.value.response.status_code == 403
        async with talking(served, authorization="Bearer sk-alpha-1") as client:
            await made(client)


async def test_limits_and_usage_are_those_of_each_response(file: Path) -> None:
    ledger = Ledger.open(file)
    wish = NewKey.model_validate({"name": "a", "requests_per_minute": 1})
    _, text = ledger.create_key(wish, now=1.0)
    async with (
        upstream(speaks("Hello")) as worker,
        responding(view(worker.url), ledger_file=str(file)) as served,
        talking(served, authorization=f"Bearer {text}") as client,
    ):
        await made(client)
        await create(client)
        said = await hear(client)
        assert (said["status"], said["error"]["type"]) == (429, "rate_limit_error")
        assert int(said["error"]["headers"]["retry-after"]) > 0
        await served.parts.customers.sync()
        [used] = ledger.usage(0)
        assert (used.requests, used.prompt_tokens, used.completion_tokens) == (1, 7, 2)
    ledger.close()


async def test_a_key_that_is_revoked_ends_its_connection(file: Path) -> None:
    ledger = Ledger.open(file)
    _, text = ledger.create_key(NewKey.model_validate({"name": "a"}), now=1.0)
    async with (
        upstream(talks_on) as worker,
        responding(view(worker.url), ledger_file=str(file)) as served,
        talking(served, authorization=f"Bearer {text}") as busy,
        talking(served, authorization=f"Bearer {text}") as idle,
    ):
        await create(busy)
        while (await hear(busy))["type"] != "response.output_text.delta":
            pass
        ledger.revoke_key("a", 2.0)
        await served.parts.customers.sync()
        while (await hear(busy))["type"] != "response.failed":
            pass
        assert (await error_of(busy))[:2] == (401, "invalid_api_key")
        assert (await error_of(idle))[:2] == (401, "invalid_api_key")
        assert await closed_with(busy) == await closed_with(idle) == 1008
        await until(worker.closed.is_set)
    ledger.close()


async def test_a_connection_has_its_time(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(conversation, "SOCKET_S", 0.0)
    async with (
        upstream(speaks("Hello")) as worker,
        responding(view(worker.url)) as served,
        talking(served) as client,
    ):
        assert (await error_of(client))[:2] == (400, "websocket_connection_limit_reached")
        assert await closed_with(client) == 1000


async def test_a_gateway_that_stops_lets_the_answer_end_and_closes_who_waits_for_nothing() -> None:
    go = asyncio.Event()
    async with (
        upstream(waits(go, "Hel")) as worker,
        responding(view(worker.url)) as served,
        talking(served) as busy,
        talking(served) as idle,
    ):
        await create(busy)
        await create(busy)
        while (await hear(busy))["type"] != "response.output_text.delta":
            pass
        ending = asyncio.create_task(served.drain.finish(5.0))
        assert await closed_with(idle) == 1001
        assert not ending.done()
        with pytest.raises(InvalidStatus) as refusal:
            async with talking(served):
                pass
        assert refusal.value.response.status_code == 503
        await create(busy, stream_id="late")
        assert (await error_of(busy))[:2] == (503, "unavailable")
        go.set()
        while (await hear(busy))["type"] != "response.completed":
            pass
        assert (await error_of(busy))[:2] == (503, "unavailable")  # the one that waited
        assert await closed_with(busy) == 1001
        await ending


async def test_a_gateway_that_must_end_says_so_in_the_answer() -> None:
    async with (
        upstream(waits(asyncio.Event(), "Hel")) as worker,
        responding(view(worker.url)) as served,
        talking(served) as client,
    ):
        await create(client)
        while (await hear(client))["type"] != "response.output_text.delta":
            pass
        await served.drain.finish(0.0)
        while (said := await hear(client))["type"] != "response.failed":
            pass
        assert said["response"]["error"]["message"] == "This server is shutting down."
        assert await closed_with(client) == 1001


async def test_who_does_not_upgrade_may_only_post() -> None:
    async with responding() as served:
        got = await served.client.get(RESPONSES)
        assert got.status_code == 405
        head = {"connection": "upgrade", "upgrade": "websocket", "sec-websocket-version": "8"}
        got = await served.client.get(RESPONSES, headers=head)
        assert (got.status_code, got.json()["error"]["code"]) == (400, "bad_handshake")
