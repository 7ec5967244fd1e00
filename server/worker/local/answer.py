"""From an engine's deltas to OpenAI's JSON: one loop for every endpoint that generates."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Sequence
from contextlib import aclosing
from dataclasses import dataclass, field

from server.worker.asked import Ask, Delta, Prepared
from server.worker.engine import Engine
from server.worker.local.ask import for_choice
from server.worker.local.forms import Form, Json
from server.worker.local.pieces import Choice, Piece, Reader, joined
from server.worker.local.together import Spare, Together
from server.worker.local.usage import Usage
from server.worker.text.thinking import Marks


def choices_of(
    prepared: Sequence[Prepared],
    asks: Sequence[Ask],
    n: int,
    *,
    echo: bool = False,
    silent: bool = False,
    marks: Marks | None = None,
) -> list[Choice]:
    """`n` choices of each prompt, numbered as OpenAI numbers them."""
    return [
        Choice(at * n + i, prompt, for_choice(ask, i), echo, silent, marks)
        for at, (prompt, ask) in enumerate(zip(prepared, asks, strict=True))
        for i in range(n)
    ]


@dataclass(slots=True)
class Answer:
    """An answer in the making; use `chunks` or `whole`, once. `id` and `created` as OpenAI's."""

    form: Form
    engine: Engine
    choices: Sequence[Choice]
    id: str
    created: int
    model: str
    fingerprint: str | None = None
    include_usage: bool = False
    best: tuple[int, int] | None = None
    """Of so many choices in a row, those of one prompt, so many are told; None: all of them."""
    spare: Spare | None = None
    """Slots for choices beside each other; None: they are made one after another."""
    usage: Usage = field(init=False)

    def __post_init__(self) -> None:
        prompts = {id(choice.prepared): choice.prepared.tokens for choice in self.choices}
        self.usage = Usage(sum(prompts.values()))

    async def chunks(self) -> AsyncGenerator[Json, None]:
        """What a stream is made of, without its end mark."""
        frame = self._head(self.form.stream_object)
        if self.include_usage:
            frame["usage"] = None
        begun = set[int]()
        async with aclosing(self._made()) as made:
            async for choice, piece in made:
                for part in _parts(piece):
                    index = choice.index
                    if index not in begun and (begin := self.form.begin(index, part)):
                        yield {**frame, "choices": [begin]}
                    begun.add(index)
                    yield {**frame, "choices": [self.form.piece(index, part)]}
        if self.include_usage:
            yield {**frame, "choices": [], "usage": self.usage.json()}

    async def whole(self) -> Json:
        pieces: dict[int, list[Piece]] = {choice.index: [] for choice in self.choices}
        async with aclosing(self._made()) as several:
            async for choice, piece in several:
                pieces[choice.index].append(piece)
        made = [(choice, joined(pieces[choice.index])) for choice in self.choices]
        best = made if self.best is None else best_of(made, *self.best)
        told = [self.form.whole(index, piece) for index, (_, piece) in enumerate(best)]
        return self._head(self.form.whole_object) | {"choices": told, "usage": self.usage.json()}

    async def _made(self) -> AsyncGenerator[tuple[Choice, Piece], None]:
        """The pieces of all choices."""
        if self.spare is not None and len(self.choices) > 1:
            together = Together(self.choices, self._pieces, _prompt_of, self.spare)
            async with aclosing(together.pieces()) as made:
                async for one in made:
                    yield one
            return
        for choice in self.choices:
            async with aclosing(self._pieces(choice)) as pieces:
                async for piece in pieces:
                    yield choice, piece

    async def _pieces(self, choice: Choice) -> AsyncGenerator[Piece, None]:
        """What one choice is made of, counted."""
        reader = Reader(choice)
        if choice.silent and not choice.ask.score_prompt:  # the model need not be asked
            for piece in reader.read(Delta("", 0, "length")):
                yield piece
            return
        usage, new = self.usage, self._is_first_of_prompt(choice)
        told, thought = 0, 0
        async with aclosing(self.engine.generate(choice.prepared, choice.ask)) as deltas:
            async for delta in deltas:
                if new:
                    usage.cached_tokens += delta.cached
                    new = False
                if not choice.silent:
                    usage.completion_tokens += delta.tokens - told
                    told = delta.tokens
                pieces = reader.read(delta)
                usage.reasoning_tokens += reader.thinking_tokens - thought
                thought = reader.thinking_tokens
                for piece in pieces:
                    yield piece
                if choice.silent:
                    return

    def _is_first_of_prompt(self, choice: Choice) -> bool:
        """A prompt is counted once, and so are its tokens that were known."""
        return next(one for one in self.choices if one.prepared is choice.prepared) is choice

    def _head(self, kind: str) -> Json:
        return {
            "id": self.id,
            "object": kind,
            "created": self.created,
            "model": self.model,
            "system_fingerprint": self.fingerprint,
            **self.form.extra,
        }


def _prompt_of(choice: Choice) -> int:
    return id(choice.prepared)


def _parts(piece: Piece) -> tuple[Piece, ...]:
    """What is said, and that it is over, as two chunks have it; perhaps nothing."""
    said = piece.text or piece.thought or piece.scores or piece.calls
    if piece.finish is None:
        return (piece,) if said else ()
    end = Piece(finish=piece.finish, stop=piece.stop)
    return (piece._replace(finish=None, stop=None), end) if said else (end,)


Made = tuple[Choice, Piece]


def best_of(made: Sequence[Made], candidates: int, n: int) -> list[Made]:
    """The `n` likeliest, by token, of each `candidates` in a row, the best first."""
    best: list[Made] = []
    for start in range(0, len(made), candidates):
        rivals = made[start : start + candidates]
        best += sorted(rivals, key=_likelihood, reverse=True)[:n]
    return best


def _likelihood(made: Made) -> float:
    """Of a token of the answer, on the whole; those of the prompt are not the answer's merit."""
    choice, piece = made
    start = len(choice.prepared.text)
    logs = [one.scored.logprob for one in piece.scores if one.scored and one.begin >= start]
    return sum(logs) / len(logs) if logs else 0.0
