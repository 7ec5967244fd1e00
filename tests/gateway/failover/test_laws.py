"""What holds for any answer, any two workers that give it, and any point at which one dies."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from server.gateway.failover.diverged import Diverged
from server.gateway.failover.splice import Splice
from tests.gateway.failover.answers import (
    TEXTS,
    Client,
    Said,
    Worker,
    chats,
    completions,
    delivered,
    in_blocks,
    workers,
)

Two = tuple[Worker, Worker]
chat_cases = st.tuples(st.lists(chats(), min_size=1, max_size=3), workers(chat=True))
text_cases = st.tuples(st.lists(completions, min_size=1, max_size=3), workers(chat=False))


@given(chat_cases | text_cases, st.data())
def test_the_client_sees_one_answer_whole_and_once(
    case: tuple[list[Said], Two], data: st.DataObject
) -> None:
    choices, (first, second) = case
    told = first.events(choices)
    told = told[: data.draw(st.integers(0, len(told)), label="events before the cut")]
    splice = Splice(delivered(*told).told())
    rest = b"".join(map(splice.feed, in_blocks(second.events(choices), second.random)))

    client = Client().read(b"".join(told) + rest)
    whole = Client().read(b"".join(first.events(choices)))
    assert client.said == whole.said
    assert client.said == {
        (at, name): text for at, said in enumerate(choices) for name, text in said.parts
    }
    assert client.tokens == whole.tokens
    assert client.finishes == {at: [said.finish] for at, said in enumerate(choices)}
    assert client.roles == whole.roles
    assert client.tool_ids == whole.tool_ids
    assert len(client.frames) == 1
    assert client.usages == first.usage
    assert splice.ended
    check_marks(client.chunks, len(Client().read(b"".join(told)).chunks))
    assert client.dones == 1


def check_marks(chunks: list[dict[str, Any]], told: int) -> None:
    """The first chunk that was passed on says so, and no other."""
    marks = [at for at, chunk in enumerate(chunks) if "shortline" in chunk]
    assert marks == ([told] if len(chunks) > told else [])
    assert all(chunks[at]["shortline"] == {"resumed": True, "worker": 2} for at in marks)


@given(chat_cases | text_cases, st.data())
def test_another_answer_is_refused_or_is_the_one_that_the_client_gets(
    case: tuple[list[Said], Two], data: st.DataObject
) -> None:
    choices, (first, second) = case
    others = data.draw(mutated(choices), label="what the second worker says")
    told = first.events(choices)[: data.draw(st.integers(0, 30))]
    seen = Client().read(b"".join(told))
    splice, rest = Splice(delivered(*told).told()), b""
    refused = False
    try:
        for block in in_blocks(second.events(others), second.random):
            rest += splice.feed(block)
    except Diverged:
        refused = True

    client = Client().read(b"".join(told) + rest)
    other = {(at, name): text for at, said in enumerate(others) for name, text in said.parts}
    for place, text in client.said.items():
        assert seen.said.get(place) == text or other[place].startswith(text)
    if not refused and not seen.dones:
        assert client.said == other
        assert client.finishes == {at: [said.finish] for at, said in enumerate(others)}


@given(TEXTS.filter(bool), TEXTS, TEXTS, st.randoms(use_true_random=False), st.data())
def test_a_difference_within_what_was_delivered_is_always_refused(
    told: str, rest: str, other: str, random: Any, data: st.DataObject
) -> None:
    at = data.draw(st.integers(0, len(told) - 1))
    changed = told[:at] + other
    if (changed + rest).startswith(told):
        changed = told[:at]  # it ends too early
        rest = ""
    first = Worker("first", random).events([Said((("content", told),), "stop")])[:-2]
    second = Worker("2nd", random).events([Said((("content", changed + rest),), "stop")])
    splice = Splice(delivered(*first).told())
    with pytest.raises(Diverged):
        for event in second:
            assert splice.feed(event) == b""


@st.composite
def mutated(draw: st.DrawFn, choices: list[Said]) -> list[Said]:
    """The same answer with one text cut, grown or changed."""
    at = draw(st.integers(0, len(choices) - 1))
    said = choices[at]
    parts, finish = list(said.parts), said.finish
    if parts:
        part = draw(st.integers(0, len(parts) - 1))
        name, text = parts[part]
        place = draw(st.integers(0, len(text)))
        text = text[:place] + draw(TEXTS) + text[draw(st.integers(place, len(text))) :]
        parts[part : part + 1] = [(name, text)] if text else []
    else:
        finish = draw(st.sampled_from(["stop", "length"]))
    return [*choices[:at], Said(tuple(parts), finish), *choices[at + 1 :]]
