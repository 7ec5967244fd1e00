"""Whatever stands in a field, the client hears what is wrong with it, or gets its answer."""

from __future__ import annotations

import json
from typing import Any

import httpx
import pytest

from tests.fakes.spoiled import broken
from tests.fakes.upstream import says, upstream, whole
from tests.gateway.conftest import gateway, view
from tests.gateway.dialects.anthropic.test_messages import ANSWER, COUNT, MESSAGES

Json = dict[str, Any]
PNG = {"type": "base64", "media_type": "image/png", "data": "AAAA"}
BLOCKS: dict[str, list[Json]] = {
    "user": [
        {"type": "text", "text": "hi"},
        {"type": "image", "source": PNG},
        {"type": "image", "source": {"type": "url", "url": "https://x/y.png"}},
        {
            "type": "document",
            "title": "T",
            "source": {"type": "text", "media_type": "text/plain", "data": "d"},
        },
        {
            "type": "tool_result",
            "tool_use_id": "t1",
            "content": [{"type": "text", "text": "hi"}],
            "is_error": False,
        },
    ],
    "assistant": [
        {"type": "tool_use", "id": "t1", "name": "f", "input": {"x": 1}},
        {"type": "thinking", "thinking": "hm", "signature": "s"},
        {"type": "redacted_thinking", "data": "x"},
    ],
}
GOOD: Json = {
    "model": "m", "max_tokens": 5, "system": [{"type": "text", "text": "s"}], "stream": False,
    "messages": [{"role": "user", "content": "hi"}], "stop_sequences": ["x"], "temperature": 1,
    "top_p": 1, "top_k": 1, "metadata": {"user_id": "u"}, "thinking": {"type": "disabled"},
    "tools": [{"type": "custom", "name": "f", "description": "d", "input_schema": {}}],
    "tool_choice": {"type": "tool", "name": "f", "disable_parallel_tool_use": True},
    "output_config": {"format": {"type": "json_schema", "schema": {}}},
}  # fmt: skip
END = {"role": "user", "content": "hi"}


def bodies() -> list[tuple[str, Json]]:
    found = broken(GOOD)
    for role, blocks in BLOCKS.items():
        for block in blocks:
            for what, spoiled in broken(block):
                messages = [{"role": role, "content": [spoiled]}, END]
                found.append((f"{role} {block['type']} {what}", GOOD | {"messages": messages}))
    return found


def is_told(answer: httpx.Response) -> bool:
    """Whether it is an answer, or a short refusal in Anthropic's words."""
    if answer.status_code < 400:
        return True
    told = answer.json()
    return told["type"] == "error" and told["error"]["message"] and len(answer.content) <= 2_000


@pytest.mark.parametrize("path", [MESSAGES, COUNT])
async def test_a_wrong_value_in_any_field_is_no_fault_of_the_gateway(path: str) -> None:
    count = b'{"count":1}'
    failed = []
    script = says(whole(count if path == COUNT else ANSWER))
    async with upstream(script) as worker, gateway(view(worker.url, slots=1000)) as served:
        for what, body in bodies():
            answer = await served.client.post(path, content=json.dumps(body))
            if answer.status_code >= 500 or not is_told(answer):
                failed.append(f"{what}: {answer.text:.200}")
        good = await served.client.post(path, content=json.dumps(GOOD))
    assert failed == []
    assert good.status_code == 200, good.text
