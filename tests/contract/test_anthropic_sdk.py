"""What Anthropic's own client gets from the gateway: of a local model, a provider and FastChat."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from typing import Any

import anthropic
import pytest
from anthropic import AsyncAnthropic
from anthropic.types import Message, MessageParam, ToolParam, ToolUseBlock
from pydantic import SecretStr

from server.clients.http import HTTPClient
from server.core.provider_settings import ProviderSettings
from server.core.settings import GatewaySettings
from server.web.drain import Drain
from server.web.edge import Edge
from server.worker.online.app import origin_of
from server.worker.online.relay import ProviderRelay
from server.worker.online.speaker import OnlineWorker
from server.worker.slots import Slots
from tests.fakes.live_server import live_server
from tests.fakes.upstream import (
    LAST_CHUNK,
    STREAM_HEAD,
    Received,
    Upstream,
    Writer,
    chunk,
    upstream,
    whole,
)
from tests.fakes.waiting import until
from tests.fakes.worker import Worker, local_worker
from tests.gateway.conftest import SECRET, gateway, view
from tests.gateway.dialects.anthropic.said import strictly
from tests.gateway.fastchat.test_upstream import Worker as FastChatWorker

pytestmark = pytest.mark.anyio

Json = dict[str, Any]
KEY = "sk-sl-of-this-test-0123456789"
LOCAL, ONLINE, FASTCHAT = "echo", "clever", "old"
HELLO: list[MessageParam] = [{"role": "user", "content": "one two three"}]
WEATHER: ToolParam = {
    "name": "weather",
    "description": "The weather in a city.",
    "input_schema": {"type": "object", "properties": {"city": {"type": "string"}}},
}
ONE = b'data: {"choices":[{"index":0,"delta":{"content":"x"}}]}\n\n'
USAGE = {"prompt_tokens": 21, "completion_tokens": 5, "total_tokens": 26}


def provider_says(asked: Json) -> tuple[list[Json], str]:
    """The deltas of its answer, and why it ends: it thinks, and calls a tool when it has one."""
    if asked["messages"][-1]["role"] == "tool":
        return [{"content": "It is "}, {"content": asked["messages"][-1]["content"]}], "stop"
    if "tools" not in asked:
        return [{"reasoning_content": "Hm."}, {"content": "Hello "}, {"content": "there"}], "stop"
    name = asked["tools"][0]["function"]["name"]
    first = {"index": 0, "id": "call_1", "type": "function"}
    pieces = [{"name": name, "arguments": ""}, {"arguments": '{"city":'}, {"arguments": '"Bern"}'}]
    calls = [{"index": 0, "function": piece} for piece in pieces]
    calls[0] |= first
    return [{"content": "Let me see."}, *({"tool_calls": [call]} for call in calls)], "tool_calls"


def as_whole(deltas: list[Json]) -> Json:
    """The message that `deltas` make."""
    message: Json = {"role": "assistant"}
    for delta in deltas:
        for name in ("content", "reasoning_content"):
            if name in delta:
                message[name] = message.get(name, "") + delta[name]
        for call in delta.get("tool_calls", ()):
            if "id" in call:
                message["tool_calls"] = [json.loads(json.dumps(call))]
            else:
                message["tool_calls"][0]["function"]["arguments"] += call["function"]["arguments"]
    return message


async def provider(request: Received, writer: Writer) -> None:
    asked = json.loads(request.body)
    deltas, reason = provider_says(asked)
    if not asked.get("stream"):
        choice = {"index": 0, "message": as_whole(deltas), "finish_reason": reason}
        body = {"id": "c", "model": asked["model"], "choices": [choice], "usage": USAGE}
        writer.write(whole(json.dumps(body).encode()))
        return
    chunks: list[Json] = [{"delta": delta, "finish_reason": None} for delta in deltas]
    chunks.append({"delta": {}, "finish_reason": reason})
    events: list[Json] = [
        {"id": "c", "model": asked["model"], "choices": [choice | {"index": 0}]}
        for choice in chunks
    ]
    if asked.get("stream_options", {}).get("include_usage"):
        events.append({"id": "c", "model": asked["model"], "choices": [], "usage": USAGE})
    lines = [f"data: {json.dumps(event)}\n\n".encode() for event in events]
    writer.write(STREAM_HEAD)
    for line in [*lines, b"data: [DONE]\n\n"]:
        writer.write(chunk(line))
        await writer.drain()
        await asyncio.sleep(0.001)
    writer.write(LAST_CHUNK)


@asynccontextmanager
async def online_worker(url: str) -> AsyncIterator[str]:
    """The address of our worker in front of the provider at `url`."""
    settings = ProviderSettings(name="acme", base_url=f"{url}/v1")
    http, drain, online = HTTPClient(connect_s=1), Drain(), OnlineWorker()
    names, key = {ONLINE: "theirs"}, SecretStr("sk-of-the-provider")
    slots = Slots(4, 0)
    online.relay = ProviderRelay(settings, origin_of(settings), key, names, http, slots, drain)
    async with live_server(Edge(online, drain)) as own_url:
        yield own_url
    http.close()


@dataclass(frozen=True, slots=True)
class Setup:
    client: AsyncAnthropic
    url: str
    local: Worker
    provider: Upstream
    in_flight: Any

    @property
    def sent(self) -> Json:
        """What the provider was asked last."""
        asked: Json = json.loads(self.provider.received[-1].body)
        return asked


@pytest.fixture
async def setup() -> AsyncIterator[Setup]:
    async with AsyncExitStack() as stack:
        local = await stack.enter_async_context(local_worker(secret=SECRET))
        acme = await stack.enter_async_context(upstream(provider))
        online = await stack.enter_async_context(online_worker(acme.url))
        fastchat = await stack.enter_async_context(upstream(FastChatWorker().serve))
        served = await stack.enter_async_context(
            gateway(
                view(local.url, models=(LOCAL,)),
                view(online, models=(ONLINE,), kind="online_worker"),
                view(fastchat.url, models=(FASTCHAT,), protocol="fastchat"),
                settings=GatewaySettings(api_keys=(SecretStr(KEY),)),
            )
        )
        client = AsyncAnthropic(base_url=served.url, api_key=KEY, max_retries=0, timeout=20)
        async with client:
            yield Setup(client, served.url, local, acme, served.fleet.in_flight)


def text_of(message: Message) -> str:
    return "".join(block.text for block in message.content if block.type == "text")


@pytest.mark.parametrize(
    ("model", "says"),
    [(LOCAL, "one two three"), (ONLINE, "Hello there"), (FASTCHAT, "Hello")],
)
async def test_a_message_says_the_same_whole_and_piece_by_piece(
    setup: Setup, model: str, says: str
) -> None:
    message = await setup.client.messages.create(model=model, max_tokens=50, messages=HELLO)
    strictly(Message, message.to_dict())
    assert (text_of(message), message.stop_reason) == (says, "end_turn")
    assert message._request_id
    async with setup.client.messages.stream(model=model, max_tokens=50, messages=HELLO) as stream:
        pieces = [piece async for piece in stream.text_stream]
        final = await stream.get_final_message()
    assert ("".join(pieces), text_of(final)) == (says, says)
    assert (final.stop_reason, final.usage) == (message.stop_reason, message.usage)
    assert message.usage.input_tokens > 0
    assert message.usage.output_tokens > 0


@pytest.mark.parametrize("streamed", [False, True])
async def test_a_tool_is_called_and_its_result_answered(setup: Setup, streamed: bool) -> None:
    async def ask(messages: list[MessageParam]) -> Message:
        if not streamed:
            return await setup.client.messages.create(
                model=ONLINE, max_tokens=50, messages=messages, tools=[WEATHER]
            )
        async with setup.client.messages.stream(
            model=ONLINE, max_tokens=50, messages=messages, tools=[WEATHER]
        ) as stream:
            return await stream.get_final_message()

    called = await ask(HELLO)
    assert called.stop_reason == "tool_use"
    text, call = called.content
    assert text.type == "text"
    assert isinstance(call, ToolUseBlock)
    assert (call.name, call.input) == ("weather", {"city": "Bern"})
    result: MessageParam = {
        "role": "user",
        "content": [{"type": "tool_result", "tool_use_id": call.id, "content": "sunny"}],
    }
    answered = await ask([*HELLO, called.to_param(), result])
    assert (text_of(answered), answered.stop_reason) == ("It is sunny", "end_turn")
    _, assistant, tool = setup.sent["messages"]
    assert assistant["tool_calls"][0]["id"] == tool["tool_call_id"] == call.id


@pytest.mark.parametrize("streamed", [False, True])
async def test_thoughts_come_as_blocks_to_who_asks_for_them(setup: Setup, streamed: bool) -> None:
    message: Message
    if streamed:
        async with setup.client.messages.stream(
            model=ONLINE,
            max_tokens=2000,
            messages=HELLO,
            thinking={"type": "enabled", "budget_tokens": 1024},
        ) as stream:
            message = await stream.get_final_message()
    else:
        message = await setup.client.messages.create(
            model=ONLINE, max_tokens=2000, messages=HELLO, thinking={"type": "adaptive"}
        )
    thought, text = message.content
    assert (thought.type, text.type) == ("thinking", "text")
    assert thought.type == "thinking"
    assert (thought.thinking, bool(thought.signature)) == ("Hm.", True)


async def test_every_wish_reaches_the_provider(setup: Setup) -> None:
    await setup.client.messages.create(
        model=ONLINE,
        max_tokens=50,
        system=[{"type": "text", "text": "Be kind.", "cache_control": {"type": "ephemeral"}}],
        messages=[
            {
                "role": "user",
                "content": [
                    {
                        "type": "image",
                        "source": {"type": "base64", "media_type": "image/png", "data": "AAAA"},
                    },
                    {"type": "text", "text": "What is it?"},
                ],
            }
        ],
        stop_sequences=["END"],
        metadata={"user_id": "u-1"},
        tools=[WEATHER],
        tool_choice={"type": "any"},
        extra_body={"temperature": 0.5, "top_k": 3},  # older clients have arguments for them
    )
    assert setup.sent | {"tools": []} == {
        "model": "theirs",
        "max_tokens": 50,
        "messages": [
            {"role": "system", "content": "Be kind."},
            {
                "role": "user",
                "content": [
                    {"type": "image_url", "image_url": {"url": "data:image/png;base64,AAAA"}},
                    {"type": "text", "text": "What is it?"},
                ],
            },
        ],
        "stop": ["END"],
        "user": "u-1",
        "temperature": 0.5,
        "top_k": 3,
        "tools": [],
        "tool_choice": "required",
    }


async def test_max_tokens_and_stop_sequences_end_an_answer(setup: Setup) -> None:
    short = await setup.client.messages.create(model=LOCAL, max_tokens=2, messages=HELLO)
    assert (short.stop_reason, short.usage.output_tokens) == ("max_tokens", 2)
    cut = await setup.client.messages.create(
        model=LOCAL, max_tokens=50, messages=HELLO, stop_sequences=["three"]
    )
    assert text_of(cut).strip() == "one two"
    assert (cut.stop_reason, cut.stop_sequence) == ("stop_sequence", "three")
    async with setup.client.messages.stream(
        model=LOCAL, max_tokens=50, messages=HELLO, stop_sequences=["END", "two"]
    ) as stream:
        final = await stream.get_final_message()
    assert (final.stop_reason, final.stop_sequence) == ("stop_sequence", "two")


async def test_tokens_are_counted_as_they_will_be_used(setup: Setup) -> None:
    counted = await setup.client.messages.count_tokens(
        model=LOCAL, messages=HELLO, system="Be kind."
    )
    message = await setup.client.messages.create(
        model=LOCAL, max_tokens=5, messages=HELLO, system="Be kind."
    )
    assert counted.input_tokens == message.usage.input_tokens
    for model in (ONLINE, FASTCHAT):
        with pytest.raises(anthropic.NotFoundError):
            await setup.client.messages.count_tokens(model=model, messages=HELLO)


async def test_each_error_has_its_class(setup: Setup) -> None:
    create = setup.client.messages.create
    with pytest.raises(anthropic.NotFoundError) as unknown:
        await create(model="none", max_tokens=5, messages=HELLO)
    assert (unknown.value.type, unknown.value.error_code) == ("not_found_error", "model_not_found")
    assert unknown.value.request_id
    with pytest.raises(anthropic.BadRequestError, match="temperature") as hot:
        await create(model=LOCAL, max_tokens=5, messages=HELLO, extra_body={"temperature": 7})
    assert hot.value.type == "invalid_request_error"
    with pytest.raises(anthropic.BadRequestError) as long:
        words: list[MessageParam] = [{"role": "user", "content": "word " * 9000}]
        await create(model=LOCAL, max_tokens=5, messages=words)
    assert long.value.error_code == "context_length_exceeded"
    with pytest.raises(anthropic.AuthenticationError) as stranger:
        await setup.client.with_options(api_key="wrong").messages.create(
            model=LOCAL, max_tokens=5, messages=HELLO
        )
    assert stranger.value.type == "authentication_error"
    token = AsyncAnthropic(base_url=setup.url, auth_token=KEY, max_retries=0)
    async with token:
        await token.messages.create(model=LOCAL, max_tokens=5, messages=HELLO)


async def test_a_provider_that_hangs_up_is_an_error_of_the_stream(setup: Setup) -> None:
    async def hangs_up(_: Received, writer: Writer) -> None:
        writer.write(STREAM_HEAD + chunk(ONE))
        await writer.drain()
        writer.close()

    setup.provider.script = hangs_up
    with pytest.raises(anthropic.APIStatusError) as lost:
        async with setup.client.messages.stream(
            model=ONLINE, max_tokens=50, messages=HELLO
        ) as stream:
            await stream.get_final_message()
    assert lost.value.type == "api_error"


@pytest.mark.parametrize("streamed", [False, True])
async def test_a_client_that_leaves_stops_the_provider(setup: Setup, streamed: bool) -> None:
    async def never_ends(_: Received, writer: Writer) -> None:
        writer.write(STREAM_HEAD if streamed else b"")
        while not writer.is_closing():
            writer.write(chunk(ONE) if streamed else b"")
            await writer.drain()
            await asyncio.sleep(0.01)

    async def ask() -> None:
        if not streamed:
            await setup.client.messages.create(model=ONLINE, max_tokens=50, messages=HELLO)
            return
        async with setup.client.messages.stream(
            model=ONLINE, max_tokens=50, messages=HELLO
        ) as stream:
            async for _ in stream.text_stream:
                return

    setup.provider.script = never_ends
    if streamed:
        await ask()
        await until(setup.provider.closed.is_set)
    else:
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(0.3):
                await ask()
    await until(lambda: not any(setup.in_flight().values()))
