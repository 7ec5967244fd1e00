"""A provider whose model can do what a large one can: it calls tools, and keeps to schemas."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

from server.worker.local.vectors import encoded
from tests.fakes.able import SAID, filled, keyed, pieces
from tests.fakes.upstream import LAST_CHUNK, STREAM_HEAD, Received, Writer, chunk, whole

Json = dict[str, Any]
_HEAD = {"id": "chatcmpl-1", "created": 1_700_000_000}
USAGE = {"prompt_tokens": 7, "completion_tokens": 2, "total_tokens": 9}


async def able_model(asked: Received, writer: Writer) -> None:
    """A script for `upstream`."""
    fields = json.loads(asked.body)
    if "input" in fields:
        writer.write(whole(json.dumps(_vectors(fields)).encode()))
        return
    message, finish = _message(fields)
    if not fields.get("stream"):
        choice = {"index": 0, "message": message, "finish_reason": finish, "logprobs": None}
        said = _HEAD | {"object": "chat.completion", "model": fields["model"]}
        writer.write(whole(json.dumps(said | {"choices": [choice], "usage": USAGE}).encode()))
        return
    writer.write(STREAM_HEAD)
    for event in _events(fields, message, finish):
        writer.write(chunk(b"data: " + json.dumps(event).encode() + b"\n\n"))
        await writer.drain()
    writer.write(chunk(b"data: [DONE]\n\n") + LAST_CHUNK)


def _vectors(fields: Json) -> Json:
    inputs = fields["input"] if isinstance(fields["input"], list) else [fields["input"]]
    data = []
    for index, text in enumerate(inputs):
        vector: Any = [float(len(text)), 0.5]
        if fields.get("encoding_format") == "base64":
            vector = encoded(vector)
        data.append({"object": "embedding", "index": index, "embedding": vector})
    usage = {"prompt_tokens": 7, "total_tokens": 7}
    return {"object": "list", "data": data, "model": fields["model"], "usage": usage}


def _message(fields: Json) -> tuple[Json, str]:
    """What it answers, and why that ends."""
    text = _text(fields["messages"])
    tool = _called(fields)
    said: Json = {"role": "assistant", "content": None, "refusal": None}
    if tool is not None:
        arguments = json.dumps(
            filled(tool.get("parameters") or {"type": "object"}, text), ensure_ascii=False
        )
        function = {"name": tool["name"], "arguments": arguments}
        return said | {
            "tool_calls": [{"id": "call_1", "type": "function", "function": function}]
        }, "tool_calls"
    form = fields.get("response_format") or {}
    if form.get("type") == "json_schema":
        return said | {"content": json.dumps(filled(form["json_schema"]["schema"], text))}, "stop"
    if form.get("type") == "json_object":
        return said | {"content": json.dumps(keyed(text))}, "stop"
    return said | {"content": SAID}, "stop"


def _called(fields: Json) -> Json | None:
    """The function that it calls, unless it was told not to or has its result already."""
    choice = fields.get("tool_choice")
    if not fields.get("tools") or choice == "none" or fields["messages"][-1]["role"] == "tool":
        return None
    functions: list[Json] = [tool["function"] for tool in fields["tools"]]
    named = choice["function"]["name"] if isinstance(choice, dict) else functions[0]["name"]
    return next(function for function in functions if function["name"] == named)


def _text(messages: list[Json]) -> str:
    """What the user said last."""
    said = next((each["content"] for each in reversed(messages) if each["role"] == "user"), "")
    if isinstance(said, str):
        return said
    return " ".join(part.get("text", "") for part in said)


def _events(fields: Json, message: Json, finish: str) -> Iterator[Json]:
    said = _HEAD | {"object": "chat.completion.chunk", "model": fields["model"]}
    wants_usage = (fields.get("stream_options") or {}).get("include_usage")
    more = {"usage": None} if wants_usage else {}
    for delta in _deltas(message):
        yield said | more | {"choices": [_choice(delta, None)]}
    yield said | more | {"choices": [_choice({}, finish)]}
    if wants_usage:
        yield said | {"choices": [], "usage": USAGE}


def _deltas(message: Json) -> Iterator[Json]:
    """The message in pieces, a call's arguments too."""
    yield {"role": "assistant", "content": "" if message["content"] else None}
    for piece in pieces(message["content"] or ""):
        yield {"content": piece}
    for call in message.get("tool_calls", ()):
        function = call["function"]
        yield {"tool_calls": [call | {"index": 0, "function": function | {"arguments": ""}}]}
        for piece in pieces(function["arguments"]):
            yield {"tool_calls": [{"index": 0, "function": {"arguments": piece}}]}


def _choice(delta: Json, finish: str | None) -> Json:
    return {"index": 0, "delta": delta, "finish_reason": finish, "logprobs": None}
