from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import pytest

from server.worker.asked import Ask, Delta, Prepared, Scored
from server.worker.local.pieces import SCORES_AT_ONCE, Choice, Piece, Reader, joined
from server.worker.text.thinking import Marks

MARKS = Marks("<think>", "</think>")
ASK = Ask(max_tokens=99)
SCORED = Ask(max_tokens=99, logprobs=0)


def choice(ask: Ask = ASK, prompt: str = "p", **more: Any) -> Choice:
    return Choice(0, Prepared(1, prompt, None), ask, **more)


def scored(*words: str) -> tuple[Scored, ...]:
    return tuple(Scored(0, word.encode(), -1.0) for word in words)


def read(choice: Choice, deltas: Sequence[Delta]) -> tuple[list[Piece], Reader]:
    reader = Reader(choice)
    return [piece for delta in deltas for piece in reader.read(delta)], reader


def words_of(pieces: Sequence[Piece]) -> list[str]:
    return [one.text.decode() for one in joined(pieces).scores]


def test_plain_text_is_passed_on_as_it_came() -> None:
    pieces, _ = read(choice(), [Delta("a", 1), Delta(" b", 2, "stop")])
    assert pieces == [Piece("a"), Piece(" b", "stop")]


def test_thoughts_are_counted_with_their_marks() -> None:
    deltas = [Delta("<think>", 1), Delta("hm", 2), Delta("</think>", 3), Delta("\n\n", 4)]
    pieces, reader = read(choice(marks=MARKS), [*deltas, Delta("yes", 5, "stop")])
    whole = joined(pieces)
    assert (whole.thought, whole.text, whole.finish) == ("hm", "yes", "stop")
    assert reader.thinking_tokens == 3


def test_a_thought_that_the_prompt_began_may_never_end() -> None:
    begun = choice(marks=MARKS, prompt="user: x\nassistant: <think>\n")
    pieces, reader = read(begun, [Delta("h", 1), Delta("m</thi", 4, "length")])
    whole = joined(pieces)
    assert (whole.thought, whole.text, reader.thinking_tokens) == ("hm</thi", "", 4)


def test_only_tokens_of_the_answer_are_scored() -> None:
    texts = ["<think>", "hm", "</think>", "\n\n", "yes", ".", ""]
    deltas = [Delta(text, n, None, scored(text)) for n, text in enumerate(texts[:-1], 1)]
    deltas.append(Delta("", 7, "stop", scored("")))
    pieces, _ = read(choice(SCORED, marks=MARKS), deltas)
    assert words_of(pieces) == ["yes", ".", ""]


def test_a_score_waits_for_the_text_that_it_is_of() -> None:
    held = [
        Delta("a", 2, None, scored("a", " st")),
        Delta(" st", 3, None, scored("x")),
        Delta("", 3, "stop"),
    ]
    pieces, _ = read(choice(Ask(max_tokens=9, logprobs=0, stop=(" stop", "x"))), held)
    assert [[one.text for one in piece.scores] for piece in pieces] == [[b"a"], [b" st"], []]


@pytest.mark.parametrize(("finish", "words"), [("length", ["a", "b"]), ("stop", ["a", "b"])])
def test_no_score_is_lost_at_an_end_that_no_stop_text_made(finish: Any, words: list[str]) -> None:
    pieces, _ = read(choice(SCORED), [Delta("a", 2, finish, scored("a", "b"))])
    assert words_of(pieces) == words


def test_an_echo_begins_with_the_prompt_and_its_scores_in_portions() -> None:
    many = SCORES_AT_ONCE + 3
    prompt: tuple[Scored | None, ...] = (None, *scored(*["x"] * (many - 1)))
    echo = choice(Ask(max_tokens=9, logprobs=0, score_prompt=True), "x" * many, echo=True)
    pieces, _ = read(echo, [Delta("y", 1, "stop", scored("y"), prompt)])
    assert [(len(piece.text), len(piece.scores)) for piece in pieces] == [
        (many, SCORES_AT_ONCE), (0, 3), (1, 1)
    ]  # fmt: skip
    assert [one.begin for one in joined(pieces).scores] == list(range(many + 1))


def test_one_that_is_silent_says_nothing_of_its_own() -> None:
    pieces, _ = read(choice(echo=True, silent=True), [Delta("", 0, "length")])
    assert joined(pieces) == Piece("p", "length")
