"""A response in the making: what a model says becomes its items, and the events of a stream."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from typing import Any, Final

import orjson

from server.gateway.dialects.responses.document import (
    NOTHING_USED,
    error_of,
    failed,
    tier_of,
    usage_of,
)
from server.gateway.dialects.responses.output import (
    Call,
    Ending,
    Item,
    Said,
    Speech,
    logprobs_of,
)
from server.gateway.dialects.values import Json

_INCOMPLETE: Final = {"length": "max_output_tokens", "content_filter": "content_filter"}
_SPOKEN: Final[tuple[tuple[str, Said], ...]] = (
    ("reasoning_content", "reasoning_text"),
    ("reasoning", "reasoning_text"),
    ("content", "output_text"),
    ("refusal", "refusal"),
)
"""Fields of a delta, in the order in which they are told. The second one is what vLLM and
OpenRouter call the first."""


class Making:
    """The `Telling` of one response. `document`: as it is now; it is `ended` once.

    A whole answer goes the way of a stream with one chunk, whose events nobody hears.
    """

    def __init__(
        self, document: Json, now: Callable[[], float], *, tells_errors: bool = True
    ) -> None:
        """`now`: seconds since 1970. `tells_errors`: a stream that breaks off says why in an event
        of its own, before the last one."""
        self.document = document
        self._tells_errors = tells_errors
        self.ended = False
        self._now = now
        self._of = document["id"].removeprefix("resp_")
        self._number = 0
        self._begun = self._told = False
        self._items: list[Item] = []
        self._speech: Speech | None = None
        self._calls: dict[int, Call] = {}
        self._finish = ""

    # what `dialects.via` asks for -----------------------------------------------------------------

    def whole(self, answer: Json) -> Json:
        choice = answer["choices"][0]
        self.chunk(answer | {"choices": [choice | {"delta": choice["message"]}]})
        self.end()
        return self.document

    def chunk(self, chunk: Json) -> bytes:
        self._learn(chunk)
        return self._written(self._begin(), self._heard(chunk))

    def end(self) -> bytes:
        """Of a stream; `document` is what it stays then, and `last` tells it."""
        return self._written(self._begin(), self._end())

    def last(self) -> bytes:
        """The event that tells how it ended; what it tells must be kept before. There is one, and
        none of what was cancelled."""
        if self._told or not self.ended:
            return b""
        self._told = True
        event = {"type": f"response.{self.document['status']}", "response": self.document}
        return self._written(iter([event]))

    def skip(self) -> bytes:
        """Of a stream for which no model is asked: it is over, and nothing was said."""
        told = self._written(self._begin())
        self._conclude(status="completed", completed_at=int(self._now()), usage=NOTHING_USED)
        return told

    def failure(self, error: Json) -> bytes:
        return self._written(self._begin(), self._fail(error))

    def ping(self) -> bytes:
        return b": ping\n\n"

    # the events -----------------------------------------------------------------------------------

    def _begin(self) -> Iterator[Json]:
        if not self._begun:
            self._begun = True
            yield {"type": "response.created", "response": self.document}
            yield {"type": "response.in_progress", "response": self.document}

    def _learn(self, chunk: Json) -> None:
        """Who serves it, and what it takes."""
        if isinstance(model := chunk.get("model"), str) and model:
            self.document["model"] = model
        if "service_tier" in chunk:
            self.document["service_tier"] = tier_of(chunk["service_tier"])
        self.document["usage"] = usage_of(chunk.get("usage")) or self.document["usage"]

    def _heard(self, chunk: Json) -> Iterator[Json]:
        for choice in chunk["choices"] or ():
            yield from self._speak(choice.get("delta") or {}, choice.get("logprobs"))
            if isinstance(reason := choice.get("finish_reason"), str):
                self._finish = reason

    def _speak(self, delta: Json, logprobs: Any) -> Iterator[Json]:
        heard = False
        for field, kind in _SPOKEN:
            text = delta.get(field)
            if not isinstance(text, str) or not text or (heard and field == "reasoning"):
                continue
            heard = True  # some say their thoughts under both names
            if self._speech is None or self._speech.kind != kind:
                yield from self._hush()
                self._speech = Speech(kind, len(self._items), self._of)
                yield from self._opened(self._speech)
            yield self._speech.say(text, logprobs_of(logprobs))
        for at, call in enumerate(delta.get("tool_calls") or ()):
            yield from self._call(at, call)

    def _call(self, at: int, said: Json) -> Iterator[Json]:
        """`at`: its number where it has none itself."""
        number = said.get("index")
        number = at if not isinstance(number, int) else number
        function = said.get("function") or {}
        id, name = said.get("id") or "", function.get("name") or ""
        call = self._calls.get(number)
        if call is None or (name and id and call.id != id):  # some number all their calls 0
            yield from self._hush()
            call = self._calls[number] = Call(str(id), str(name), len(self._items), self._of)
            yield from self._opened(call)
        elif name and not call.json["name"]:
            call.json["name"] = str(name)
        if arguments := function.get("arguments"):
            written = isinstance(arguments, str)  # some say the object itself
            yield call.write(arguments if written else orjson.dumps(arguments).decode())

    def _opened(self, item: Item) -> Iterator[Json]:
        self._items.append(item)
        yield from item.begin()

    def _hush(self) -> Iterator[Json]:
        """What is said next is another item. Calls stay open to the end: they may be told side by
        side, and in between."""
        speech, self._speech = self._speech, None
        if speech is not None:
            yield from speech.end("completed")

    def _close(self, status: Ending) -> Iterator[Json]:
        for item in self._items:
            if item.json["status"] == "in_progress":
                yield from item.end(status)

    def _end(self) -> Iterator[Json]:
        reason = _INCOMPLETE.get(self._finish)
        status: Ending = "incomplete" if reason else "completed"
        if not self._items:  # a model may say nothing; its message is there all the same
            yield from self._opened(Speech("output_text", 0, self._of))
        yield from self._close(status)
        self._conclude(
            status=status,
            completed_at=None if reason else int(self._now()),
            incomplete_details={"reason": reason} if reason else None,
        )

    def _fail(self, error: Json) -> Iterator[Json]:
        """What was begun is told as far as it went: it may be all that the client wants."""
        yield from self._close("incomplete")
        self._conclude(**failed({}, error))
        if self._tells_errors:
            told = {name: _text_or_none(error.get(name)) for name in ("code", "param")}
            yield {"type": "error", **told, "message": error_of(error)["message"]}

    def _conclude(self, **fields: Any) -> None:
        self.document |= {"output": [item.json for item in self._items], **fields}
        self.ended = True

    def _written(self, *parts: Iterator[Json]) -> bytes:
        told = []
        for part in parts:
            for event in part:
                told.append(written((event,), self._number))
                self._number += 1
        return b"".join(told)


def written(events: Iterable[Json], first: int) -> bytes:
    """As they are sent, numbered from `first`."""
    told = []
    for number, event in enumerate(events, start=first):
        event["sequence_number"] = number
        told.append(b"event: %b\ndata: %b\n\n" % (event["type"].encode(), orjson.dumps(event)))
    return b"".join(told)


def _text_or_none(said: Any) -> str | None:
    return said if isinstance(said, str) else None
