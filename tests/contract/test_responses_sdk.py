"""`/v1/responses` as OpenAI's own client uses it, over our engine and over a provider."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import pytest
from openai import APIStatusError, AsyncOpenAI, BadRequestError, NotFoundError
from openai.types.responses import Response
from pydantic import BaseModel

from tests.fakes.upstream import (
    LAST_CHUNK,
    STREAM_HEAD,
    Received,
    Script,
    Upstream,
    Writer,
    chunk,
    upstream,
    whole,
)
from tests.fakes.worker import local_worker
from tests.gateway.conftest import SECRET, view
from tests.gateway.dialects.responses.conftest import checked, responding
from tests.gateway.dialects.responses.models import answer, end, event, speaks
from tests.worker.online.test_relay import worker_of

TOOL: Any = {
    "type": "function",
    "name": "weather",
    "description": "Of a place.",
    "parameters": {"type": "object", "properties": {"at": {"type": "string"}}},
    "strict": False,
}


@asynccontextmanager
async def echo() -> AsyncIterator[AsyncOpenAI]:
    """A client of a gateway in front of our own engine."""
    async with (
        local_worker(secret=SECRET) as worker,
        responding(view(worker.url, models=("echo",))) as served,
        AsyncOpenAI(base_url=f"{served.url}/v1", api_key="none", max_retries=0) as client,
    ):
        yield client


@asynccontextmanager
async def provider(script: Script) -> AsyncIterator[tuple[AsyncOpenAI, Upstream]]:
    """The same in front of a provider, which calls the model `theirs`."""
    async with (
        upstream(script) as fake,
        worker_of(fake) as worker,
        responding(view(str(worker.base_url), models=("ours",), kind="online_worker")) as served,
        AsyncOpenAI(base_url=f"{served.url}/v1", api_key="none", max_retries=0) as client,
    ):
        yield client, fake


def strictly(response: Response) -> Response:
    """As it was sent, read once more and forgiving nothing."""
    checked(json.loads(response.to_json(exclude_unset=False, use_api_names=True)))
    return response


async def test_a_text_is_answered_whole_and_found_again() -> None:
    async with echo() as client:
        said = strictly(await client.responses.create(model="echo", input="one two three"))
        assert (said.output_text, said.status) == ("one two three", "completed")
        assert said.usage is not None
        assert (said.usage.input_tokens, said.usage.output_tokens) == (3, 3)
        assert await client.responses.retrieve(said.id) == said
        page = await client.responses.input_items.list(said.id)
        assert [item.type for item in page.data] == ["message"]
        await client.responses.delete(said.id)
        with pytest.raises(NotFoundError):
            await client.responses.retrieve(said.id)


async def test_a_stream_is_put_together_by_the_client() -> None:
    async with echo() as client:
        async with client.responses.stream(model="echo", input="one two three") as stream:
            kinds = [event.type async for event in stream]
            final = await stream.get_final_response()
        assert kinds[:4] == [
            "response.created",
            "response.in_progress",
            "response.output_item.added",
            "response.content_part.added",
        ]
        assert kinds.count("response.output_text.delta") == 3
        assert kinds[-1] == "response.completed"
        assert final.output_text == "one two three"


async def test_a_conversation_is_remembered_here() -> None:
    async with echo() as client:
        one = await client.responses.create(model="echo", input="one two")
        two = await client.responses.create(
            model="echo", input="three", previous_response_id=one.id
        )
        assert two.usage is not None
        assert two.usage.input_tokens == 5  # both questions, and the answer between them
        with pytest.raises(BadRequestError) as refused:
            await client.responses.create(
                model="echo", input="x", previous_response_id="resp_nowhere"
            )
        assert refused.value.code == "previous_response_not_found"


async def test_an_answer_that_is_too_long_is_incomplete() -> None:
    async with echo() as client:
        said = strictly(
            await client.responses.create(model="echo", input="one two three", max_output_tokens=2)
        )
        assert (said.status, said.output_text) == ("incomplete", "one two")
        assert said.incomplete_details is not None
        assert said.incomplete_details.reason == "max_output_tokens"


async def test_the_background_is_polled_and_cancelled() -> None:
    async with echo() as client:
        said = await client.responses.create(model="echo", input="one two", background=True)
        async with asyncio.timeout(5):
            while said.status in ("queued", "in_progress"):
                await asyncio.sleep(0.01)
                said = await client.responses.retrieve(said.id)
        assert strictly(said).output_text == "one two"
        assert (await client.responses.cancel(said.id)).status == "completed"


async def test_tokens_are_counted() -> None:
    async with echo() as client:
        counted = await client.responses.input_tokens.count(model="echo", input="one two three")
        assert counted.input_tokens == 3


async def test_what_is_not_there_is_refused_plainly() -> None:
    async with echo() as client:
        hosted: Any = ({"type": "web_search"}, {"type": "file_search", "vector_store_ids": ["x"]})
        for tool in hosted:
            with pytest.raises(BadRequestError) as refused:
                await client.responses.create(model="echo", input="x", tools=[tool])
            assert (refused.value.code, refused.value.param) == (
                "unsupported_tool",
                "tools[0].type",
            )
        with pytest.raises(NotFoundError) as missing:
            await client.responses.create(model="gpt-9", input="x")
        assert missing.value.code == "model_not_found"
        with pytest.raises(BadRequestError) as wrong:
            await client.responses.create(model="echo", input="x", temperature=9)
        assert wrong.value.param == "temperature"


async def test_every_field_of_a_wish_is_told_again() -> None:
    class Weather(BaseModel):
        degrees: int

    async with provider(speaks('{"degrees": 7}')) as (client, fake):
        said = await client.responses.parse(
            model="ours",
            input=[
                {"role": "developer", "content": "be brief"},
                {
                    "role": "user",
                    "content": [
                        {"type": "input_text", "text": "here?"},
                        {"type": "input_image", "image_url": "data:,x", "detail": "low"},
                    ],
                },
            ],
            text_format=Weather,
            tools=[TOOL],
            tool_choice={"type": "allowed_tools", "mode": "auto", "tools": [TOOL]},
            reasoning={"effort": "low"},
            metadata={"of": "mine"},
            parallel_tool_calls=False,
            truncation="auto",
            user="u-1",
            temperature=0.5,
            top_p=0.9,
        )
        assert said.output_parsed == Weather(degrees=7)
        strictly(await client.responses.retrieve(said.id))
        assert (said.metadata, said.truncation, said.user) == ({"of": "mine"}, "auto", "u-1")
        assert said.text is not None
        assert said.text.format is not None
        assert said.text.format.type == "json_schema"
        sent = json.loads(fake.received[0].body)
        assert (sent["model"], sent["reasoning_effort"], sent["user"]) == ("theirs", "low", "u-1")
        assert sent["messages"][1]["content"][1]["image_url"] == {"url": "data:,x", "detail": "low"}


async def test_a_tool_is_called_in_a_stream_and_answered() -> None:
    def calls(**said: Any) -> bytes:
        return chunk(event(tool_calls=[{"index": 0, **said}]))

    async def script(asked: Received, writer: Writer) -> None:
        if json.loads(asked.body)["messages"][-1]["role"] == "tool":
            writer.write(whole(answer(content="7 degrees")))
            return
        name = {"name": "weather", "arguments": ""}
        writer.write(STREAM_HEAD + chunk(event(reasoning_content="a place")))
        writer.write(calls(id="call_1", type="function", function=name))
        writer.write(calls(function={"arguments": '{"at":'}))
        writer.write(calls(function={"arguments": '"x"}'}) + chunk(end("tool_calls")) + LAST_CHUNK)

    async with provider(script) as (client, _):
        async with client.responses.stream(model="ours", input="?", tools=[TOOL]) as stream:
            events = [event async for event in stream]
            one = await stream.get_final_response()
        kinds = [event.type for event in events]
        assert "response.reasoning_text.delta" in kinds
        [done] = [event for event in events if event.type.endswith("arguments.done")]
        assert done.to_dict()["name"] == "weather"  # of OpenAI's document, not of its types
        assert kinds.count("response.function_call_arguments.delta") == 2
        thought, call = one.output
        assert (thought.type, call.type) == ("reasoning", "function_call")
        assert call.type == "function_call"
        assert (call.call_id, call.arguments) == ("call_1", '{"at":"x"}')
        two = await client.responses.create(
            model="ours",
            previous_response_id=one.id,
            input=[{"type": "function_call_output", "call_id": call.call_id, "output": "7"}],
            tools=[TOOL],
        )
        assert strictly(two).output_text == "7 degrees"


async def test_outputs_may_be_sent_back_as_they_came() -> None:
    calls = [{"id": "c", "type": "function", "function": {"name": "weather", "arguments": "{}"}}]
    async with provider(speaks("x")) as (client, fake):
        fake.script = lambda _, writer: write(writer, whole(answer(content="hm", tool_calls=calls)))
        one = await client.responses.create(model="ours", input="?", tools=[TOOL], store=False)
        items: Any = [{"role": "user", "content": "?"}]
        items += [item.model_dump() for item in one.output]
        items.append({"type": "function_call_output", "call_id": "c", "output": "7"})
        fake.script = speaks("done")
        two = await client.responses.create(model="ours", input=items, store=False)
        assert two.output_text == "done"
        sent = json.loads(fake.received[1].body)["messages"]
        assert [message["role"] for message in sent] == ["user", "assistant", "tool"]


async def test_a_stream_that_breaks_off_ends_in_failed() -> None:
    async def script(_: Received, writer: Writer) -> None:
        writer.write(STREAM_HEAD + chunk(event(content="Hel")))
        await writer.drain()
        writer.close()

    async with provider(script) as (client, _):
        stream = await client.responses.create(model="ours", input="x", stream=True)
        events = [event async for event in stream]
        assert [event.type for event in events[-2:]] == ["error", "response.failed"]


@pytest.mark.parametrize("stream", [False, True])
async def test_a_providers_refusal_has_its_status(stream: bool) -> None:
    told = b'{"error":{"message":"slow down","type":"rate_limit_error"}}'
    async with provider(lambda _, writer: write(writer, whole(told, "429 Too Many"))) as (
        client,
        _,
    ):
        with pytest.raises(APIStatusError) as refused:
            await client.responses.create(model="ours", input="x", stream=stream)
        assert refused.value.status_code == 429


async def write(writer: Writer, data: bytes) -> None:
    writer.write(data)
