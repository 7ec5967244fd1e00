"""Chats and conversations that are kept, as OpenAI's own client uses them."""

from __future__ import annotations

import json
from typing import Any

import pytest
from openai import AsyncOpenAI, BaseModel, NotFoundError
from openai.types.chat import ChatCompletion
from openai.types.conversations import ConversationItem
from pydantic import TypeAdapter

from tests.contract.test_responses_sdk import TOOL, echo, provider, strictly
from tests.fakes.upstream import says, whole
from tests.gateway.dialects.responses.models import answer, speaks

HELLO: Any = [{"role": "user", "content": "one two three"}]
ITEM: TypeAdapter[Any] = TypeAdapter(ConversationItem)


def exactly(kind: type[BaseModel], told: BaseModel) -> None:
    """Read once more, forgiving nothing."""
    kind.model_validate_json(told.to_json(exclude_unset=False, use_api_names=True), strict=True)


async def kept(client: AsyncOpenAI, **fields: Any) -> ChatCompletion:
    made: ChatCompletion = await client.chat.completions.create(
        model="echo", messages=HELLO, store=True, **fields
    )
    return made


async def test_a_chat_is_found_again_changed_and_deleted() -> None:
    async with echo() as client:
        made = await kept(client, metadata={"topic": "x"})
        found = await client.chat.completions.retrieve(made.id)
        exactly(ChatCompletion, found)
        assert found.choices == made.choices
        assert found.usage == made.usage
        told = json.loads(found.to_json())
        assert told["metadata"] == {"topic": "x"}
        changed = await client.chat.completions.update(made.id, metadata={"topic": "y"})
        exactly(ChatCompletion, changed)
        page = await client.chat.completions.list(metadata={"topic": "y"}, model="echo")
        assert [chat.id for chat in page.data] == [made.id]
        assert (await client.chat.completions.list(metadata={"topic": "x"})).data == []
        gone = await client.chat.completions.delete(made.id)
        assert (gone.id, gone.deleted, gone.object) == (made.id, True, "chat.completion.deleted")
        with pytest.raises(NotFoundError):
            await client.chat.completions.retrieve(made.id)


async def test_the_client_turns_the_pages_by_itself() -> None:
    async with echo() as client:
        ids = [(await kept(client)).id for _ in range(5)]
        assert [chat.id async for chat in client.chat.completions.list(limit=2)] == ids
        newest = client.chat.completions.list(limit=2, order="desc")
        assert [chat.id async for chat in newest] == ids[::-1]
        many: Any = [{"role": "user", "content": str(number)} for number in range(5)]
        made = await client.chat.completions.create(
            model="echo",
            messages=many,
            store=True,
        )
        messages = client.chat.completions.messages.list(made.id, limit=2)
        assert [message.content async for message in messages] == [*"01234"]


async def test_a_streamed_chat_is_the_one_that_is_kept() -> None:
    async with echo() as client:
        async with client.chat.completions.stream(
            model="echo", messages=HELLO, store=True, logprobs=True
        ) as stream:
            final = await stream.get_final_completion()
        found = await client.chat.completions.retrieve(final.id)
        exactly(ChatCompletion, found)
        assert found.choices[0].message.content == final.choices[0].message.content
        assert found.choices[0].logprobs == final.choices[0].logprobs
        assert found.usage is not None
        assert found.usage.completion_tokens == 3
        assert final.usage is None  # nobody asked


async def test_a_providers_calls_are_kept_whole_as_streamed() -> None:
    calls = [{"id": "c1", "type": "function", "function": {"name": "f", "arguments": "{}"}}]
    async with provider(says(whole(answer(tool_calls=calls)))) as (client, _):
        made = await client.chat.completions.create(model="ours", messages=HELLO, store=True)
        found = await client.chat.completions.retrieve(made.id)
        exactly(ChatCompletion, found)
        assert found.choices[0].message.tool_calls == made.choices[0].message.tool_calls


async def test_responses_go_on_in_a_conversation() -> None:
    async with echo() as client:
        conversation = await client.conversations.create(
            metadata={"topic": "x"},
            items=[{"type": "message", "role": "user", "content": "one"}],
        )
        assert conversation.metadata == {"topic": "x"}
        said = strictly(
            await client.responses.create(
                model="echo", input="two three", conversation=conversation.id
            )
        )
        assert said.conversation is not None
        assert said.conversation.id == conversation.id
        assert said.usage is not None
        assert said.usage.input_tokens == 3
        items = [item async for item in client.conversations.items.list(conversation.id, limit=1)]
        for item in items:
            ITEM.validate_json(item.to_json(exclude_unset=False), strict=True)
        assert [item.role for item in items if item.type == "message"] == [
            "assistant",
            "user",
            "user",
        ]
        async with client.responses.stream(
            model="echo", input="four", conversation={"id": conversation.id}
        ) as stream:
            final = await stream.get_final_response()
        count = await client.responses.input_tokens.count(
            model="echo", input="x", conversation=conversation.id
        )
        assert final.usage is not None
        assert count.input_tokens == final.usage.total_tokens + 1


async def test_items_come_and_go() -> None:
    async with echo() as client:
        conversation = await client.conversations.create()
        call: Any = {"type": "function_call", "call_id": "c", "name": "f", "arguments": "{}"}
        output: Any = {"type": "function_call_output", "call_id": "c", "output": "7"}
        thought: Any = {
            "type": "reasoning",
            "id": "rs_1",
            "summary": [],
            "content": [{"type": "reasoning_text", "text": "hm"}],
        }
        added = await client.conversations.items.create(
            conversation.id, items=[call, output, thought]
        )
        for item in added.data:
            ITEM.validate_json(item.to_json(exclude_unset=False), strict=True)
            found = await client.conversations.items.retrieve(
                str(item.id), conversation_id=conversation.id
            )
            assert found == item
        left = await client.conversations.items.delete("rs_1", conversation_id=conversation.id)
        assert left == await client.conversations.retrieve(conversation.id)
        kinds = [
            item.type for item in (await client.conversations.items.list(conversation.id)).data
        ]
        assert kinds == ["function_call_output", "function_call"]
        changed = await client.conversations.update(conversation.id, metadata={"a": "b"})
        assert changed.metadata == {"a": "b"}
        gone = await client.conversations.delete(conversation.id)
        assert (gone.id, gone.deleted) == (conversation.id, True)
        with pytest.raises(NotFoundError):
            await client.conversations.retrieve(conversation.id)


async def test_a_providers_calls_stand_in_a_conversation() -> None:
    calls = [{"id": "c1", "type": "function", "function": {"name": "weather", "arguments": "{}"}}]
    async with provider(says(whole(answer(tool_calls=calls)))) as (client, fake):
        conversation = await client.conversations.create()
        ask: Any = {"model": "ours", "conversation": conversation.id, "tools": [TOOL]}
        strictly(await client.responses.create(input="how is it?", **ask))
        fake.script = speaks("fine")
        output: Any = {"type": "function_call_output", "call_id": "c1", "output": "sunny"}
        strictly(await client.responses.create(input=[output], **ask))
        sent = json.loads(fake.received[-1].body)["messages"]
        assert [message["role"] for message in sent] == ["user", "assistant", "tool"]
        items = (await client.conversations.items.list(conversation.id, order="asc")).data
        assert [item.type for item in items] == [
            "message",
            "function_call",
            "function_call_output",
            "message",
        ]
