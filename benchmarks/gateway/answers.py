"""What the fake upstream says, and how the load generator knows that it has all of it.

The wish stands in the prompt, because that is the one thing every gateway hands on.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

import orjson

from benchmarks.gateway.messages import Ask

MODEL = "bench"
DONE = b"data: [DONE]\n\n"
_ID = "chatcmpl-0123456789abcdef01234567"
_CREATED = 1_700_000_000
_WISH = re.compile(rb"events=(\d+) burst=(\d+) every_ms=([\d.]+)")
_STREAM = re.compile(rb'"stream"\s*:\s*true')
_TOKEN = re.compile(rb'"content"\s*:\s*"word')


def request_body(ask: Ask) -> bytes:
    wish = f"events={ask.events} burst={ask.burst} every_ms={ask.every_ms:g}"
    return orjson.dumps(
        {
            "model": MODEL,
            "messages": [
                {"role": "system", "content": "You are a helpful assistant. " * 4},
                {"role": "user", "content": f"Say what you are asked for: {wish}"},
            ],
            "temperature": 0.7,
            "max_tokens": ask.events,
            "stream": ask.stream,
        }
    )


def read_ask(body: bytes) -> Ask:
    """The other end of `request_body`; without a wish, the defaults of `Ask`."""
    stream = _STREAM.search(body) is not None
    wish = _WISH.search(body)
    if wish is None:
        return Ask(stream=stream)
    events, burst, every_ms = wish.groups()
    return Ask(stream=stream, events=int(events), burst=int(burst), every_ms=float(every_ms))


def whole_answer(ask: Ask) -> bytes:
    message = {"role": "assistant", "content": "".join(words(ask))}
    return orjson.dumps(
        {
            "id": _ID,
            "object": "chat.completion",
            "created": _CREATED,
            "model": MODEL,
            "choices": [{"index": 0, "message": message, "finish_reason": "stop"}],
            "usage": {
                "prompt_tokens": 40,
                "completion_tokens": ask.events,
                "total_tokens": 40 + ask.events,
            },
        }
    )


def bursts(ask: Ask) -> list[bytes]:
    """The stream's events as they are sent together; the last burst carries the end."""
    events = [_event({"content": word}, None) for word in words(ask)]
    groups = [b"".join(events[i : i + ask.burst]) for i in range(0, ask.events, ask.burst)]
    groups[-1] += _event({}, "stop") + DONE
    return groups


def fault(ask: Ask, expected: bytes, body: bytes, *, exact: bool) -> str | None:
    """What is wrong with an answer; None if it is complete."""
    if exact:
        return None if body == expected else "not the upstream's bytes"
    if not ask.stream:
        return None if b'"finish_reason"' in body and body.endswith(b"}") else "cut answer"
    if not body.rstrip().endswith(DONE.rstrip()):
        return "no [DONE]"
    tokens = len(_TOKEN.findall(body))
    return None if tokens == ask.events else "wrong number of events"


def words(ask: Ask) -> Iterator[str]:
    """The answer, token by token."""
    for number in range(ask.events):
        yield f"word{number % 1000:03} "


def _event(delta: dict[str, str], finish_reason: str | None) -> bytes:
    chunk = {
        "id": _ID,
        "object": "chat.completion.chunk",
        "created": _CREATED,
        "model": MODEL,
        "choices": [{"index": 0, "delta": delta, "finish_reason": finish_reason}],
    }
    return b"data: " + orjson.dumps(chunk) + b"\n\n"
