"""A client that speaks WebSocket, and reads what it hears strictly."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

from openai.types.responses import ResponsesServerEvent
from pydantic import TypeAdapter
from websockets.asyncio.client import ClientConnection, connect

from server.gateway.dialects.responses.responses import RESPONSES
from tests.gateway.conftest import Served
from tests.gateway.dialects.responses.conftest import checked

_EVENTS: TypeAdapter[Any] = TypeAdapter(ResponsesServerEvent)
_LAST = ("response.completed", "response.incomplete", "response.failed", "error")


@asynccontextmanager
async def talking(served: Served, **headers: str) -> AsyncIterator[ClientConnection]:
    url = served.url.replace("http", "ws") + RESPONSES
    async with connect(url, proxy=None, additional_headers=headers, max_size=None) as client:
        yield client


async def create(client: ClientConnection, **fields: Any) -> None:
    asked = {"type": "response.create", "model": "m", "input": "hi", "store": False}
    await client.send(json.dumps(asked | fields))


async def hear(client: ClientConnection) -> dict[str, Any]:
    said = await client.recv()
    event: dict[str, Any] = json.loads(said)
    assert _EVENTS.validate_json(said, strict=True).type == event["type"]
    return event


async def hear_all(client: ClientConnection) -> list[dict[str, Any]]:
    """Of one response that is the only one, numbered without a gap."""
    events = [await hear(client)]
    while events[-1]["type"] not in _LAST:
        events.append(await hear(client))
    if events[-1]["type"] != "error":
        assert [event["sequence_number"] for event in events] == list(range(len(events)))
        checked(events[-1]["response"])
    return events


async def made(client: ClientConnection, **fields: Any) -> dict[str, Any]:
    """The response, which is completed."""
    await create(client, **fields)
    last = (await hear_all(client))[-1]
    assert last["type"] == "response.completed", last
    response: dict[str, Any] = last["response"]
    return response


async def refused(client: ClientConnection, **fields: Any) -> tuple[int, str, str | None]:
    """With which status and code, and for which field."""
    await create(client, **fields)
    return await error_of(client)


async def error_of(client: ClientConnection) -> tuple[int, str, str | None]:
    event = await hear(client)
    assert event["type"] == "error", event
    assert event["error"]["message"]
    return event["status"], event["error"]["code"], event["error"]["param"]
