"""An OpenAI chat stream as pieces of text, with its end marks and time limits taken seriously."""

from __future__ import annotations

import asyncio
import math
from collections.abc import AsyncGenerator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import orjson

from server.clients.gateway_errors import error_from
from server.clients.http import Answer
from server.core.errors import BadAnswer, CutOff
from server.core.limits import BETWEEN_TOKENS_S, FIRST_TOKEN_S, WHOLE_REQUEST_S
from server.core.sse import EventSplitter, event_data

DONE_DATA = b"[DONE]"
GRACE_S = 5.0
"""The gateway ends a silent stream by itself; it is given so much longer to say so."""


@dataclass(frozen=True, slots=True)
class Piece:
    """What came in one read: the text of one token, or of several."""

    text: str = ""
    finish_reason: str | None = None
    usage: Mapping[str, int] | None = None


class Patience:
    """Hangs up on a gateway that is silent for too long.

    One timer for the whole stream, which looks at a note when it fires: a timeout of its own for
    each read would cost a tenth of what a token costs, and one around all reads would belong to
    one task, while LangChain may read from a new one every time.
    """

    def __init__(self, answer: Answer) -> None:
        self._answer = answer
        self._loop = asyncio.get_running_loop()
        self._end = self._loop.time() + WHOLE_REQUEST_S + GRACE_S
        self._due = math.inf
        """While nobody reads, no time passes."""
        self._is_up = False
        self._wait(FIRST_TOKEN_S)

    async def read(self) -> bytes:
        """The next bytes, `b""` at the end."""
        self._due = min(self._loop.time() + self._wait_s, self._end)
        try:
            return await self._answer.chunk()
        except CutOff as error:
            if self._is_up:
                raise CutOff("the gateway fell silent") from error
            raise
        finally:
            self._due = math.inf

    def has_begun(self) -> None:
        """From here on it is the time between two tokens."""
        self._timer.cancel()
        self._wait(BETWEEN_TOKENS_S)

    def close(self) -> None:
        self._timer.cancel()

    def _wait(self, seconds: float) -> None:
        self._wait_s = seconds + GRACE_S
        self._timer = self._loop.call_later(self._wait_s, self._look)

    def _look(self) -> None:
        now = self._loop.time()
        self._is_up = now >= self._due
        if self._is_up:
            self._answer.abort()
        else:
            self._timer = self._loop.call_at(min(self._due, now + self._wait_s), self._look)


async def pieces_of(limit: Patience) -> AsyncGenerator[Piece]:
    """What the events of a stream say, read by read; several events of one read are one piece."""
    splitter = EventSplitter()
    finished = has_begun = False
    while chunk := await limit.read():
        if not has_begun:
            has_begun = True
            limit.has_begun()
        try:
            events = splitter.feed(chunk)
        except ValueError as error:
            raise BadAnswer(str(error)) from error
        said, is_last = _before_end(event_data(events))
        finished = finished or is_last
        if piece := _together(said):
            yield piece
        if said and "error" in said[-1]:
            raise error_from(said[-1])
    if not finished:
        raise CutOff("the stream ended without its end mark")


def _before_end(events: Sequence[bytes]) -> tuple[list[dict[str, Any]], bool]:
    """What `events` say, an error being the last; and whether the answer is whole with them."""
    said: list[dict[str, Any]] = []
    whole = False
    for data in events:
        if data == DONE_DATA:
            return said, True
        said.append(read_object(data))
        if "error" in said[-1]:
            return said, False
        whole = whole or _choice(said[-1])[1] is not None
    return said, whole


def _together(said: Sequence[Mapping[str, Any]]) -> Piece | None:
    choices = [_choice(event) for event in said]
    text = "".join(text for text, _ in choices)
    reason = next((reason for _, reason in reversed(choices) if reason), None)
    usage = next((usage for event in reversed(said) if (usage := _usage(event))), None)
    return Piece(text, reason, usage) if text or reason or usage else None


def _choice(said: Mapping[str, Any]) -> tuple[str, str | None]:
    """Text and finish reason of the first choice; unknown shapes say nothing."""
    choices = said.get("choices")
    choice = choices[0] if isinstance(choices, list) and choices else {}
    delta = choice.get("delta") if isinstance(choice, dict) else None
    text = delta.get("content") if isinstance(delta, dict) else None
    reason = choice.get("finish_reason") if isinstance(choice, dict) else None
    return (
        text if isinstance(text, str) else "",
        reason if isinstance(reason, str) else None,
    )


def _usage(said: Mapping[str, Any]) -> dict[str, int] | None:
    """Only numbers that make sense: a provider may send anything."""
    usage = said.get("usage")
    if not isinstance(usage, dict):
        return None
    names = ("prompt_tokens", "completion_tokens", "total_tokens")
    counts = {name: usage.get(name) for name in names}
    return {
        name: count for name, count in counts.items() if type(count) is int and 0 <= count < 2**53
    }


def read_object(raw: bytes) -> dict[str, Any]:
    try:
        value = orjson.loads(raw)
    except ValueError as error:
        raise BadAnswer("the gateway did not send JSON") from error
    if not isinstance(value, dict):
        raise BadAnswer("the gateway did not send a JSON object")
    return value
