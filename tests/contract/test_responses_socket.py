"""`/v1/responses` over WebSocket, as `responses.connect()` of OpenAI's own client uses it."""

from __future__ import annotations

from typing import Any

import pytest
from openai import AsyncOpenAI
from openai.resources.responses.responses import AsyncResponsesConnection
from openai.types.responses import Response
from websockets.exceptions import InvalidStatus

from tests.contract.test_responses_sdk import echo, strictly
from tests.gateway.dialects.responses.conftest import keys_of, responding


async def said_on(connection: AsyncResponsesConnection, **fields: Any) -> Response:
    await connection.response.create(model="echo", **fields)
    async for said in connection:
        if said.type == "response.completed":
            return said.response
        assert said.type not in ("error", "response.failed"), said
    raise AssertionError("the connection ended")


async def test_a_connection_is_kept_for_several_turns() -> None:
    async with echo() as client, client.responses.connect() as connection:
        one = await said_on(connection, input="one two", store=False)
        assert strictly(one).output_text == "one two"
        two = await said_on(connection, input="three", store=False, previous_response_id=one.id)
        assert two.usage is not None
        assert two.usage.input_tokens == 5
        await connection.response.create(model="gpt-9", input="x")
        refused = await connection.recv()
        assert refused.type == "error"
        assert (refused.status, refused.error.code) == (404, "model_not_found")
        warm = await said_on(connection, input="four", generate=False)
        assert (await said_on(connection, previous_response_id=warm.id)).output_text == "four"


async def test_a_connection_has_lanes() -> None:
    async with echo() as client, client.responses.connect() as connection:
        for lane in ("planner", "critic"):
            await connection.response.create(model="echo", input=lane, stream_id=lane)
        heard: dict[str | None, str] = {}
        async for event in connection:
            if event.type == "response.completed":
                heard[event.stream_id] = event.response.output_text
            if len(heard) == 2:
                break
        assert heard == {"planner": "planner", "critic": "critic"}


async def test_a_connection_without_a_key_is_refused() -> None:
    async with (
        responding(settings=keys_of("sk-of-somebody")) as served,
        AsyncOpenAI(base_url=f"{served.url}/v1", api_key="sk-of-nobody") as client,
    ):
        with pytest.raises(InvalidStatus) as refused:
            async with client.responses.connect():
                pass
        assert refused.value.response.status_code == 401
