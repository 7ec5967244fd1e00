"""The events of a response that is done, as its stream would have told it in few pieces."""

from __future__ import annotations

from collections.abc import Iterator

from server.gateway.dialects.responses.making import written
from server.gateway.dialects.responses.output import Call, Speech
from server.gateway.dialects.values import Json


def retold(document: Json, start: int) -> bytes:
    """The events from number `start` on; of those whose stream had more of them, the last one at
    least, as it is what they wait for."""
    events = list(_events(document))
    if start >= len(events):
        ends = events[-1]["type"] == f"response.{document['status']}"
        return written(events[-1:] if ends else (), start)
    return written(events[start:], start)


def _events(document: Json) -> Iterator[Json]:
    unsaid = ("output", "usage", "completed_at", "error", "incomplete_details")
    begun = document | dict.fromkeys(unsaid) | {"status": "in_progress", "output": []}
    yield {"type": "response.created", "response": begun}
    yield {"type": "response.in_progress", "response": begun}
    of = document["id"].removeprefix("resp_")
    for index, item in enumerate(document["output"]):
        yield from _spoken(item, index, of) if "content" in item else _called(item, index, of)
    if document["status"] != "cancelled":
        yield {"type": f"response.{document['status']}", "response": document}


def _spoken(item: Json, index: int, of: str) -> Iterator[Json]:
    (part,) = item["content"]
    speech = Speech(part["type"], index, of)
    yield from speech.begin()
    if text := part.get("text") or part.get("refusal"):
        yield speech.say(text, part.get("logprobs", []))
    yield from speech.end(item["status"])


def _called(item: Json, index: int, of: str) -> Iterator[Json]:
    call = Call(item["call_id"], item["name"], index, of)
    yield from call.begin()
    if item["arguments"]:
        yield call.write(item["arguments"])
    yield from call.end(item["status"])
