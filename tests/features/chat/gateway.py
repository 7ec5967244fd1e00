"""A gateway that answers as its script says, and the pieces its scripts are made of."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable, Sequence

from tests.fakes.upstream import LAST_CHUNK, STREAM_HEAD, Received, Script, Writer, chunk, whole

DONE = b"data: [DONE]\n\n"
USAGE = {"prompt_tokens": 5, "completion_tokens": 3, "total_tokens": 8}


def event(value: object) -> bytes:
    return b"data: " + json.dumps(value, ensure_ascii=False).encode() + b"\n\n"


def delta(text: str) -> bytes:
    return event({"choices": [{"index": 0, "delta": {"content": text}, "finish_reason": None}]})


def ending(reason: str = "stop") -> bytes:
    last = event({"choices": [{"index": 0, "delta": {}, "finish_reason": reason}]})
    return last + event({"choices": [], "usage": USAGE}) + DONE


def error_event(code: str, message: str = "gone") -> bytes:
    return b"event: error\n" + event({"error": {"code": code, "message": message}})


def answers(*words: str, reason: str = "stop") -> Script:
    """The whole answer, word by word."""
    parts = b"".join(chunk(delta(word)) for word in words)
    said = STREAM_HEAD + parts + chunk(ending(reason)) + LAST_CHUNK

    async def script(_: Received, writer: Writer) -> None:
        writer.write(said)

    return script


def breaks_after(*words: str, last: bytes = b"") -> Script:
    """Some of an answer, then the connection is gone."""

    async def script(_: Received, writer: Writer) -> None:
        writer.write(STREAM_HEAD)
        for word in words:
            writer.write(chunk(delta(word)))
            await writer.drain()
            await asyncio.sleep(0.001)
        if last:
            writer.write(chunk(last))
        await writer.drain()
        writer.close()

    return script


def refuses(status: str, code: str, message: str = "why", *headers: str) -> Script:
    body = json.dumps({"error": {"code": code, "message": message}}).encode()

    async def script(_: Received, writer: Writer) -> None:
        writer.write(whole(body, status, *headers))

    return script


def held(*words: str, until: asyncio.Event) -> Script:
    """Some of an answer; the rest of it comes once `until` is set."""

    async def script(_: Received, writer: Writer) -> None:
        writer.write(STREAM_HEAD)
        for word in words:
            writer.write(chunk(delta(word)))
        await writer.drain()
        while not until.is_set():  # a hang-up is noticed by writing only
            writer.write(chunk(b": still here\n\n"))
            await writer.drain()
            await asyncio.sleep(0.01)
        writer.write(chunk(delta("end") + ending()) + LAST_CHUNK)

    return script


def gateway_script(
    chats: Sequence[Script], count: Callable[[list[dict[str, str]]], int] | None = None
) -> Script:
    """`chats` answer one chat request after another, the last one all that follow; `count` is what
    the tokenizer says of a prompt."""
    left = list(chats)

    async def script(request: Received, writer: Writer) -> None:
        path = request.head.split(b" ", 2)[1]
        if path == b"/v1/chat/completions":
            await (left.pop(0) if len(left) > 1 else left[0])(request, writer)
        elif path == b"/tokenize" and count is not None:
            messages = json.loads(request.body)["messages"]
            writer.write(whole(json.dumps({"count": count(messages)}).encode()))
        else:
            writer.write(whole(b'{"error":{"code":"not_found"}}', "404 Not Found"))

    return script


def chats_of(received: Sequence[Received]) -> list[dict[str, object]]:
    """The bodies of the chat requests."""
    return [
        json.loads(request.body)
        for request in received
        if request.head.startswith(b"POST /v1/chat/completions ")
    ]
