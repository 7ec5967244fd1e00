"""What is told of a response that is done is what its stream told, in fewer pieces."""

from __future__ import annotations

from typing import Any

import orjson
import pytest

from server.gateway.dialects.responses.making import Making
from server.gateway.dialects.responses.retelling import retold
from tests.gateway.dialects.responses.conftest import events_in
from tests.gateway.dialects.responses.test_making import delta, making

CALL = {"index": 0, "id": "c", "function": {"name": "f", "arguments": "{}"}}
LONG_AGO = 10_000
"""More events than a retelling has."""


def streamed(*deltas: dict[str, Any], finish: str = "stop") -> tuple[Making, bytes]:
    one = making()
    said = b"".join(one.chunk(delta(**each)) for each in deltas)
    said += one.chunk(delta(finish=finish))
    return one, said + one.end() + one.last()


def test_a_stream_of_one_piece_each_is_retold_word_for_word() -> None:
    thought, text = {"reasoning_content": "hm"}, {"content": "hello"}
    one, said = streamed(thought, text, {"tool_calls": [CALL]})
    told = events_in(retold(one.document, 0))
    assert [event["type"] for event in told] == [event["type"] for event in events_in(said)]
    assert told[-1]["response"] == orjson.loads(orjson.dumps(one.document))
    assert events_in(retold(one.document, 3), 3) == told[3:]


def test_many_pieces_are_retold_as_one() -> None:
    one, _ = streamed(*({"content": text} for text in "abc"), finish="length")
    told = events_in(retold(one.document, 0))
    assert [event["delta"] for event in told if "delta" in event] == ["abc"]
    assert told[-1]["type"] == "response.incomplete"


def test_the_end_is_told_to_who_has_heard_more_than_there_is() -> None:
    one, _ = streamed({"content": "a"})
    (last,) = events_in(retold(one.document, LONG_AGO), LONG_AGO)
    assert last["type"] == "response.completed"


@pytest.mark.parametrize(("status", "ends"), [("failed", ["response.failed"]), ("cancelled", [])])
def test_what_came_to_nothing_is_retold_too(status: str, ends: list[str]) -> None:
    one = making()
    error = {"code": "server_error", "message": "gone"} if status == "failed" else None
    document = one.document | {"status": status, "error": error}
    told = [event["type"] for event in events_in(retold(document, 0))]
    assert told == ["response.created", "response.in_progress", *ends]
    assert bool(retold(document, LONG_AGO)) is bool(ends)
