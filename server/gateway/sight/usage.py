"""How many tokens an answer took: what it says itself, or an estimate.

An answer is seldom parsed as a whole for it: `usage` stands near its end, and is looked for from
there. Workers may say nothing, or nonsense; then what was sent is counted.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import orjson

from server.wire.sight import Origin

MAX_TOKENS = 2**24
"""More is nonsense: no model reads or writes so many for one request."""
BYTES_PER_TOKEN = 4
"""A rule of thumb for UTF-8; it also holds for Chinese."""
MAX_PROMPT_ESTIMATE = 2**17
"""Bodies with images have megabytes and few tokens."""
MAX_TAIL_BYTES = 2**20
"""What stands behind `usage` is parsed to see that it is no deeper down; more is not."""
LOOKED_AT = 4096
"""Bytes at the end of a stream that are searched for events without text."""
_LOOKS = 16
"""Places that are looked at: text cannot hold the key unescaped, other objects may."""
_ZERO_IS_NONSENSE = 2
"""A stream with more tokens than this did not take 0."""
_KEY = b'"usage"'
_MAY_PRECEDE_A_KEY = frozenset(b"{, \t\r\n")
_EVENT = b"data:"
_CONTENT = re.compile(
    rb'"(?:content|text|arguments|reasoning_content|reasoning|refusal)"\s*:\s*"(?!")'
)
_Json = dict[str, Any]


@dataclass(slots=True, order=True)  # made and read faster than a named tuple, or a frozen one
class Usage:
    prompt_tokens: int
    completion_tokens: int
    origin: Origin


def usage_of_whole(body: bytes, asked_bytes: int, most: int = MAX_TOKENS) -> Usage:
    """Of a whole answer with a status below 400.

    `asked_bytes`: size of the request's body. `most`: a larger number is nonsense.
    """
    at = body.rfind(_KEY)
    if at > 0 and len(body) - at <= MAX_TAIL_BYTES and body[at - 1] in _MAY_PRECEDE_A_KEY:
        try:
            # Were it deeper down, there would be a bracket too many behind it.
            usage = _believed(orjson.loads(b"{" + body[at:])["usage"], most)
        except (orjson.JSONDecodeError, KeyError, AttributeError):
            usage = None
        if usage is not None:
            return usage
    return _usage_of_parsed(body, asked_bytes, most)


def _usage_of_parsed(body: bytes, asked_bytes: int, most: int) -> Usage:
    """The same, of an answer that does not say it where they usually do."""
    try:
        answer = orjson.loads(body)
    except orjson.JSONDecodeError:
        answer = None
    said = answer.get("usage") if isinstance(answer, dict) else None
    if not isinstance(said, dict):
        return _usage(None, asked_bytes, _written(answer), most)
    written = _written(answer)
    if not written and said.keys().isdisjoint(("prompt_tokens", "completion_tokens")):
        total = _count(said.get("total_tokens"), most)
        if total is not None:  # as some tell it who rerank: all of it was read
            return Usage(total, 0, "reported")
    return _believed(said, most) or _usage(said, asked_bytes, written, most)


def usage_of_stream(
    last: Sequence[bytes], events: int, asked_bytes: int, most: int = MAX_TOKENS
) -> Usage:
    """Of a stream of events, also of one that was cut.

    `last`: its last pieces, each of whole events; `events`: how many there were in all, as
    `count_events` counts them.
    """
    said = next(filter(None, map(_last_said, reversed(last))), None)
    usage = _believed(said, most) if said is not None else None
    if usage is not None and (usage.completion_tokens or events <= _ZERO_IS_NONSENSE):
        return usage
    counted = _with_content(last, events)
    if usage is not None and counted <= _ZERO_IS_NONSENSE:
        return usage
    return _usage(said, asked_bytes, counted, most, doubt_zero=True)


def count_events(piece: bytes) -> int:
    """Cheap enough to be asked of every piece of a stream."""
    return piece.count(_EVENT)


def _find(text: bytes, start: int, end: int) -> _Json | None:
    """The object under the key `usage` at the top of the JSON object at the end of
    `text[start:end]`, the last one if there are several."""
    at = end
    for _ in range(_LOOKS):
        at = text.rfind(_KEY, start, at)
        if at <= start or end - at > MAX_TAIL_BYTES:
            return None
        if text[at - 1] not in _MAY_PRECEDE_A_KEY:
            continue  # a backslash: it is text
        try:
            # Were it deeper down, there would be a bracket too many behind it.
            found = orjson.loads(b"{" + text[at:end])["usage"]
        except (orjson.JSONDecodeError, KeyError):
            continue
        if isinstance(found, dict):
            return found
    return None


def _last_said(piece: bytes) -> _Json | None:
    """What the last event of `piece` that speaks of usage says."""
    end = len(piece)
    for _ in range(_LOOKS):
        at = piece.rfind(_KEY, 0, end)
        if at < 0:
            return None
        line_end = piece.find(b"\n", at)
        line_start = piece.rfind(b"\n", 0, at) + 1
        found = _find(piece, line_start, line_end if line_end >= 0 else len(piece))
        if found is not None:
            return found
        end = line_start
    return None


def _believed(said: _Json, most: int) -> Usage | None:
    """What was said, if all of it makes sense."""
    prompt, completion = said.get("prompt_tokens"), said.get("completion_tokens")
    if type(prompt) is type(completion) is int and 0 <= prompt <= most >= completion >= 0:
        return Usage(prompt, completion, "reported")
    prompt = _count(prompt, most)
    completion = _completion(said, prompt, most)
    if prompt is None or completion is None:
        return None
    return Usage(prompt, completion, "reported")


def _usage(
    said: _Json | None, asked_bytes: int, counted: int, most: int, *, doubt_zero: bool = False
) -> Usage:
    """An estimate of what was not said, or makes no sense."""
    guess = min(-(-asked_bytes // BYTES_PER_TOKEN), MAX_PROMPT_ESTIMATE, most)
    counted = min(counted, most)
    if said is None:
        return Usage(guess, counted, "estimated")
    prompt = _count(said.get("prompt_tokens"), most)
    completion = _completion(said, prompt, most)
    if completion is None or (doubt_zero and completion == 0):
        completion = counted
    return Usage(guess if prompt is None else prompt, completion, "corrected")


def _completion(said: _Json, prompt: int | None, most: int) -> int | None:
    """Embeddings have none, and say only what the prompt and all of it took."""
    if "completion_tokens" in said:
        return _count(said["completion_tokens"], most)
    total = _count(said.get("total_tokens"), most)
    return None if total is None or prompt is None else max(0, total - prompt)


def _count(value: object, most: int) -> int | None:
    """None for what is no number of tokens."""
    if isinstance(value, float) and value.is_integer():
        value = int(value)
    if type(value) is not int or not 0 <= value <= most:
        return None
    return value


def _with_content(last: Iterable[bytes], events: int) -> int:
    """How many of `events` carried text. Those that carry none come last, or first: only the end
    is looked at."""
    tail = b"".join(last)[-LOOKED_AT:]
    here = min(count_events(tail), events)
    speaking = sum(1 for event in tail.split(_EVENT) if _CONTENT.search(event))
    return events - here + min(speaking, here)


def _written(answer: object) -> int:
    """Tokens of the text in a whole answer."""
    size = sum(len(text.encode("utf-8", "replace")) for text in _texts(answer))
    return -(-size // BYTES_PER_TOKEN)


def _texts(answer: object) -> Iterator[str]:
    choices = answer.get("choices") if isinstance(answer, dict) else None
    for choice in choices if isinstance(choices, list) else ():
        if not isinstance(choice, dict):
            continue
        message = choice.get("message")
        said = message if isinstance(message, dict) else {}
        for text in (choice.get("text"), said.get("content"), said.get("reasoning_content")):
            if isinstance(text, str):
                yield text
        calls = said.get("tool_calls")
        for call in calls if isinstance(calls, list) else ():
            function = call.get("function") if isinstance(call, dict) else None
            if isinstance(function, dict) and isinstance(function.get("arguments"), str):
                yield function["arguments"]
