"""What grows in a choice beside its text, and what must not differ."""

from __future__ import annotations

import pytest
from openai.lib.streaming.chat import ChatCompletionStreamState
from openai.types.chat import ChatCompletionChunk

from server.core.sse import DONE, event_data
from server.gateway.failover.diverged import Diverged
from server.gateway.failover.told import Told
from tests.gateway.failover.answers import Json, splice
from tests.gateway.failover.chunks import ROLE, STOP, USAGE, chunk, frame, read, text


def test_fields_that_do_not_exist_yet_survive() -> None:
    new = {"index": 0, "delta": {"content": "ab", "mood": "good"}, "weather": {"sun": True}}
    [got] = read(splice(text("a")).feed(frame(new, planet="earth")))
    assert got["planet"] == "earth"
    assert got["choices"] == [new | {"delta": {"content": "b", "mood": "good"}}]


def call(at: int, id: str | None = None, **function: str) -> Json:
    head: Json = {} if id is None else {"id": id, "type": "function"}
    return {"index": at, **head, "function": function}


def test_a_tool_call_keeps_the_id_that_was_told() -> None:
    first = chunk({"tool_calls": [call(0, "old-1", name="look", arguments="")]})
    begun = chunk({"tool_calls": [call(0, arguments='{"a"')]})
    whole = {"tool_calls": [call(0, "new-1", name="look", arguments='{"a": 1}')]}
    [got] = read(splice(ROLE, first, begun).feed(chunk(whole, id="new", created=2)))
    [rest] = got["choices"][0]["delta"]["tool_calls"]
    assert rest == call(0, arguments=": 1}")


def test_a_new_tool_call_brings_its_own_id() -> None:
    first = chunk({"tool_calls": [call(0, "old-1", name="look", arguments="{}")]})
    again = call(0, "new-1", name="look", arguments="{}")
    second = call(1, "new-2", name="go", arguments="")
    [got] = read(splice(first).feed(chunk({"tool_calls": [again, second]})))
    assert got["choices"][0]["delta"]["tool_calls"] == [second]


@pytest.mark.parametrize("change", [{"type": "custom"}, {"function": {"name": "leave"}}])
def test_another_tool_is_another_answer(change: Json) -> None:
    first = call(0, "old-1", name="look")
    with pytest.raises(Diverged):
        splice(chunk({"tool_calls": [first]})).feed(chunk({"tool_calls": [first | change]}))


def test_the_clients_own_library_adds_it_up() -> None:
    begun = chunk({"tool_calls": [call(0, "old-1", name="look", arguments='{"a"')]})
    rest = chunk({"tool_calls": [call(0, "new-1", name="look", arguments='{"a": "\u2028"}')]})
    told = [ROLE, text("Let me "), text("see."), begun]
    again = [ROLE, text("Let me see."), rest, chunk(finish="tool_calls"), USAGE]
    stream = b"".join(told) + splice(*told).feed(b"".join(again))
    state = ChatCompletionStreamState()
    for data in event_data(stream):
        state.handle_chunk(ChatCompletionChunk.model_validate_json(data))
    whole = state.get_final_completion()
    message = whole.choices[0].message
    assert (whole.id, message.role, message.content) == ("old", "assistant", "Let me see.")
    assert message.tool_calls is not None
    assert message.tool_calls[0].id == "old-1"
    assert message.tool_calls[0].function.arguments == '{"a": "\u2028"}'
    assert whole.choices[0].finish_reason == "tool_calls"


def test_odds_may_differ_and_tokens_may_not() -> None:
    def odds(*tokens: str, sure: float) -> bytes:
        content = [{"token": token, "logprob": -sure, "bytes": None} for token in tokens]
        choice = {"index": 0, "delta": {"content": "".join(tokens)}}
        return frame(choice | {"logprobs": {"content": content, "refusal": None}})

    [got] = read(splice(odds("a", "b", sure=0.25)).feed(odds("a", "b", "c", sure=0.5)))
    [choice] = got["choices"]
    assert choice["delta"] == {"content": "c"}
    assert [item["token"] for item in choice["logprobs"]["content"]] == ["c"]
    with pytest.raises(Diverged):
        splice(odds("ab", sure=0.25)).feed(odds("a", "b", sure=0.25))


def test_a_token_may_be_called_index() -> None:
    def odds(*tops: Json) -> bytes:
        return frame({"index": 0, "logprobs": {"top_logprobs": tops}})

    old, new = {"index": 0, "b": -1.5}, {"c": -2.5}
    [got] = read(splice(odds(old)).feed(odds(old | {"b": -1.25}, new)))
    assert got["choices"][0]["logprobs"] == {"top_logprobs": [new]}


def test_lists_of_unknown_things_grow_by_equal_items() -> None:
    def cites(*pages: int) -> bytes:
        return chunk({"annotations": [{"page": page, "kind": "x"} for page in pages]})

    [got] = read(splice(cites(1)).feed(cites(1, 2)))
    assert got["choices"][0]["delta"]["annotations"] == [{"page": 2, "kind": "x"}]
    with pytest.raises(Diverged):
        splice(cites(1)).feed(cites(3))


@pytest.mark.parametrize(
    "events",
    [
        text("b"),
        text("a") + STOP,
        text("a") + DONE,
        DONE,
        STOP,
        chunk({"reasoning_content": "hm"}),
        text("ab", finish="length") + text("c"),
        text("ab", object="text_completion") + text("c", object="text_completion"),
        frame({"index": 0, "text": "ab"}),
        chunk({"content": ["a", "b"]}),
        chunk({"content": {"text": "ab"}}),
        chunk({"content": 7}),
    ],
    ids=[
        "another text", "finished early", "ended early", "empty", "finished at once",
        "thinks again", "goes on after its end", "another kind", "a completion",
        "a list", "an object", "a number",
    ],
)  # fmt: skip
def test_what_cannot_be_joined_is_refused(events: bytes) -> None:
    again = splice(ROLE, text("ab"))
    with pytest.raises(Diverged):
        again.feed(events)


def test_an_answer_that_ends_for_another_reason_is_refused() -> None:
    with pytest.raises(Diverged):
        splice(text("a"), STOP).feed(text("a", finish="length"))
    with pytest.raises(Diverged):
        splice(text("a"), STOP).feed(text("ab"))


def test_choices_do_not_wait_for_one_another() -> None:
    def part(index: int, content: str) -> Json:
        return {"index": index, "delta": {"content": content}}

    again = splice(frame(part(0, "a")), frame(part(1, "xy")))
    [got] = read(again.feed(frame(part(0, "ab"), part(1, "x"))))
    assert got["choices"] == [part(0, "b")]
    with pytest.raises(Diverged):
        again.feed(DONE)


def test_what_was_delivered_must_be_comparable_too() -> None:
    for bad in (b"data: {\n\n", b"data: 1\n\n", b'data: {"choices":null}\n\n'):
        with pytest.raises(Diverged):
            Told().read(text("a") + bad)
    with pytest.raises(Diverged):
        splice(text("a"), chunk({"content": [1]}))
