"""From the deltas of one answer to what its client is told: thoughts, text and scores apart."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Literal, NamedTuple

from server.worker.asked import Ask, Delta, Prepared
from server.worker.local.scores import Placed, Scores, of_prompt
from server.worker.text.calls import CallPart, CallReader
from server.worker.text.thinking import Marks, Thoughts, begun_in

SCORES_AT_ONCE = 256
"""Of a prompt, in one piece: with five others each about 100 kB, and an event may have 1 MiB."""


Finish = Literal["stop", "length", "tool_calls"]


@dataclass(frozen=True, slots=True)
class Choice:
    """One answer that is to be made."""

    index: int
    prepared: Prepared
    ask: Ask
    echo: bool = False
    """Whether its text begins with the prompt."""
    silent: bool = False
    """Whether it has nothing but that."""
    marks: Marks | None = None
    """Around what the model thinks, where it does."""


class Piece(NamedTuple):
    """Of an answer, or all of it. Made for every token, so it is no dataclass: those cost more."""

    text: str = ""
    finish: Finish | None = None
    thought: str = ""
    scores: tuple[Placed, ...] = ()
    calls: tuple[CallPart, ...] = ()
    stop: str | None = None
    """The stop text that ended it."""


def joined(pieces: Iterable[Piece]) -> Piece:
    texts, thoughts = [], []
    scores: list[Placed] = []
    calls: list[CallPart] = []
    last = Piece()
    for last in pieces:
        texts.append(last.text)
        thoughts.append(last.thought)
        scores.extend(last.scores)
        calls.extend(last.calls)
    return Piece(
        "".join(texts), last.finish, "".join(thoughts), tuple(scores), _joined(calls), last.stop
    )


def _joined(parts: Iterable[CallPart]) -> tuple[CallPart, ...]:
    """Those of one call in one."""
    whole: list[CallPart] = []
    for part in parts:
        if whole and whole[-1].number == part.number:
            part = whole[-1]._replace(arguments=whole.pop().arguments + part.arguments)
        whole.append(part)
    return tuple(whole)


@dataclass(slots=True)
class Reader:
    """Reads the deltas of one choice, in their order."""

    choice: Choice
    thinking_tokens: int = 0
    _shown: int = 0
    """Characters of the deltas so far."""
    _begun: bool = False
    _plain: bool = field(init=False)
    _thoughts: Thoughts | None = field(init=False)
    _calls: CallReader | None = field(init=False)
    _scores: Scores | None = field(init=False)

    def __post_init__(self) -> None:
        choice, marks = self.choice, self.choice.marks
        prompt = choice.prepared.text
        if marks is None:
            self._thoughts = None
        else:
            self._thoughts = Thoughts(marks, inside=begun_in(prompt, marks))
        style = choice.prepared.calls
        self._calls = None if style is None else CallReader(style)
        self._scores = None if choice.ask.logprobs is None else Scores(len(prompt))
        self._plain = not (self._thoughts or self._calls or self._scores)

    def read(self, delta: Delta) -> list[Piece]:
        """The pieces of a delta; of one that is silent, of its first."""
        choice = self.choice
        if choice.silent:
            said = Piece(finish="length")
        elif self._plain:
            said = Piece(delta.text, delta.finish, stop=delta.stop)
        else:
            said = self._apart(delta)
        if self._begun or not choice.echo:
            return [said]
        self._begun = True
        return [*_prompt(choice.prepared, delta), said]

    def _apart(self, delta: Delta) -> Piece:
        thought, text = "", delta.text
        self._shown += len(text)
        told, answer_at = self._shown, 0
        if (thoughts := self._thoughts) is not None:
            thought, text = self._think(thoughts, delta)
            told = thoughts.told
            answer_at = told if thoughts.answer_at is None else thoughts.answer_at
        scores = self._scored(delta, told, answer_at)
        said = Piece(text, delta.finish, thought, scores, stop=delta.stop)
        return said if self._calls is None else _called(self._calls, said)

    def _think(self, thoughts: Thoughts, delta: Delta) -> tuple[str, str]:
        was_over = thoughts.over
        thought, text = thoughts.feed(delta.text)
        if thoughts.begun and not was_over:
            self.thinking_tokens = delta.tokens
        if delta.finish is not None:
            rest = thoughts.flush()
            thought, text = thought + rest.thought, text + rest.answer
        return thought, text

    def _scored(self, delta: Delta, told: int, answer_at: int) -> tuple[Placed, ...]:
        """Of the tokens that the text told so far is made of; thoughts are not scored."""
        if self._scores is None:
            return ()
        self._scores.add(delta.scores)
        start = len(self.choice.prepared.text)
        found = self._scores.until(start + told)
        # What a stop text was made of is no part of the answer.
        if delta.finish == "length" or (delta.finish == "stop" and not self.choice.ask.stop):
            found += self._scores.rest()
        if self._thoughts is None:
            return tuple(found)
        return tuple(one for one in found if one.end > start + answer_at)


def _called(reader: CallReader, said: Piece) -> Piece:
    """With what are calls in its text apart from it."""
    text, calls = reader.feed(said.text)
    finish = said.finish
    if finish is not None:
        rest = reader.flush(cut=finish == "length")
        text, calls = text + rest.text, calls + rest.calls
        if reader.called and finish == "stop":
            finish = "tool_calls"
    return said._replace(text=text, calls=_joined(calls), finish=finish)


def _prompt(prepared: Prepared, delta: Delta) -> list[Piece]:
    """For an echo: its text at once, its scores in portions."""
    scores = of_prompt(prepared, delta.prompt)
    starts = range(0, max(1, len(scores)), SCORES_AT_ONCE)
    return [
        Piece("" if start else prepared.text, scores=tuple(scores[start : start + SCORES_AT_ONCE]))
        for start in starts
    ]
