"""The items of an answer in the making, each with the events that tell of it.

reasoning        added, part added, deltas, done, part done, done
message          the same, for its text or its refusal
function_call    added, deltas, done, done
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, Final, Literal, Protocol

from server.gateway.dialects.values import Json

Ending = Literal["completed", "incomplete"]
Said = Literal["reasoning_text", "output_text", "refusal"]
_EVENTS: Final[dict[str, str]] = {
    "reasoning_text": "response.reasoning_text",
    "output_text": "response.output_text",
    "refusal": "response.refusal",
}
_ARGUMENTS: Final = "response.function_call_arguments"


class Item(Protocol):
    """`json`: as it is now, and at its end as it stays."""

    json: Json

    def begin(self) -> Iterator[Json]: ...
    def end(self, status: Ending) -> Iterator[Json]: ...


class Speech:
    """A message, or what a model thinks before it: an item of one part, which is text."""

    def __init__(self, kind: Said, index: int, of: str) -> None:
        """`index`: its place in the output; `of`: what ids are made of."""
        self.kind = kind
        self._index = index
        self._texts: list[str] = []
        self._logprobs: list[Json] = []
        self.json: Json = {"id": f"msg_{of}_{index}", "type": "message", "role": "assistant"}
        if kind == "reasoning_text":
            self.json = {"id": f"rs_{of}_{index}", "type": "reasoning", "summary": []}
        self.json |= {"status": "in_progress", "content": []}
        self._place = {"item_id": self.json["id"], "output_index": index, "content_index": 0}

    def begin(self) -> Iterator[Json]:
        yield _added(self.json, self._index)
        part = self._part("")
        yield {"type": "response.content_part.added", **self._place, "part": part}

    def say(self, text: str, logprobs: list[Json]) -> Json:
        self._texts.append(text)
        event = {"type": f"{_EVENTS[self.kind]}.delta", **self._place, "delta": text}
        if self.kind == "output_text":
            self._logprobs += logprobs
            event["logprobs"] = logprobs
        return event

    def end(self, status: Ending) -> Iterator[Json]:
        text = "".join(self._texts)
        done = {"type": f"{_EVENTS[self.kind]}.done", **self._place}
        if self.kind == "output_text":
            yield done | {"text": text, "logprobs": self._logprobs}
        else:
            yield done | {"refusal" if self.kind == "refusal" else "text": text}
        part = self._part(text)
        yield {"type": "response.content_part.done", **self._place, "part": part}
        self.json |= {"status": status, "content": [part]}
        yield _done(self.json, self._index)

    def _part(self, text: str) -> Json:
        if self.kind == "refusal":
            return {"type": self.kind, "refusal": text}
        part: Json = {"type": self.kind, "text": text}
        if self.kind == "output_text":
            part |= {"annotations": [], "logprobs": self._logprobs}
        return part


class Call:
    """A function that the model calls. `id`: the call's own, as the output has to name it."""

    def __init__(self, id: str, name: str, index: int, of: str) -> None:
        self.id = id
        self._index = index
        self._arguments: list[str] = []
        self.json: Json = {
            "id": f"fc_{of}_{index}",
            "type": "function_call",
            "status": "in_progress",
            "call_id": id or f"call_{of}_{index}",
            "name": name,
            "arguments": "",
        }
        self._place = {"item_id": self.json["id"], "output_index": index}

    def begin(self) -> Iterator[Json]:
        yield _added(self.json, self._index)

    def write(self, arguments: str) -> Json:
        self._arguments.append(arguments)
        return {"type": f"{_ARGUMENTS}.delta", **self._place, "delta": arguments}

    def end(self, status: Ending) -> Iterator[Json]:
        arguments = "".join(self._arguments)
        done = {"type": f"{_ARGUMENTS}.done", **self._place, "name": self.json["name"]}
        yield done | {"arguments": arguments}
        self.json |= {"status": status, "arguments": arguments}
        yield _done(self.json, self._index)


def logprobs_of(said: Any) -> list[Json]:
    """Of a choice's `logprobs`, with every field; nothing where there are none."""
    content = said.get("content") if isinstance(said, dict) else None
    return [_logprob(one) for one in content] if isinstance(content, list) else []


def _logprob(one: Json) -> Json:
    top = one.get("top_logprobs") or ()
    return _token(one) | {"top_logprobs": [_token(other) for other in top]}


def _token(one: Json) -> Json:
    token = str(one["token"])
    known = one.get("bytes")
    told = isinstance(known, list) and all(type(byte) is int for byte in known)
    as_bytes = known if told else list(token.encode())
    return {"token": token, "bytes": as_bytes, "logprob": float(one["logprob"])}


def _added(item: Json, index: int) -> Json:
    return {"type": "response.output_item.added", "output_index": index, "item": dict(item)}


def _done(item: Json, index: int) -> Json:
    return {"type": "response.output_item.done", "output_index": index, "item": dict(item)}
