"""The texts of a context of llama.cpp: those that are being answered, and some that were."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Hashable, Iterable
from dataclasses import dataclass

from torch import Tensor

from server.core.errors import RequestError, Unavailable
from server.worker.batch.answering import GeneratedAnswer, Next
from server.worker.batch.prefixes import LEAST_TOKENS, Whose, alike
from server.worker.gguf.llama import Context, no_room


@dataclass(eq=False, slots=True)
class Place:
    """A text in the context."""

    number: int
    tokens: int = 0
    """So many of them stand there."""


Live = tuple[tuple[int, ...], Place]
"""A text that is being answered, and where."""


class Places:
    """All texts of one context.

    What was answered stays until its room is needed: the next turn of a conversation begins with
    it. Texts that begin alike share what they have alike, but are counted as if they did not, so
    there is always as much room as we say. Each customer begins with texts of its own alone, as in
    `Prefixes`.
    """

    def __init__(self, context: Context, *, texts: int, tokens: int, keeps: bool) -> None:
        """`texts`, `tokens`: as many as the context has room for; `keeps`: whether a part of what
        it remembers of a text is of use."""
        self._context = context
        self._free = [*range(texts)]
        self._room = tokens
        self._keeps = keeps
        self._kept: OrderedDict[tuple[Hashable, tuple[int, ...]], Place] = OrderedDict()

    def begin(
        self, ids: tuple[int, ...], whose: Hashable, live: Iterable[Live] = ()
    ) -> tuple[int, Place | None]:
        """How many of the first of `ids` are remembered, and a text that begins with them.

        `live`: texts of the same one that are being answered.
        """
        most, found, source = 0, None, None
        for other, known in self._kept:
            common = alike(known, ids, most) if other == whose else 0
            if common > most:
                most, found, source = common, (whose, known), self._kept[whose, known]
        for text, place in live if self._keeps else ():
            common = alike(text, ids, most)
            if common > most:
                most, found, source = common, None, place
        length = min(most, len(ids) - 1)  # the scores after the last one are not remembered
        if source is None or length < LEAST_TOKENS:
            return 0, None
        if found is not None:
            self._kept.move_to_end(found)
        place = self._take()
        if found is not None and self._kept.get(found) is not source:  # it had to go
            self._give_back(place)
            return 0, None
        self._context.copy(source.number, place.number, length)
        self._count(place, length)
        return length, place

    def read(
        self, ids: tuple[int, ...], place: Place | None, adapter: str = "", *, every: bool = False
    ) -> tuple[Tensor, Place]:
        """As `_answering.Forward`, without adapters. Raises `Unavailable` for want of room."""
        mine = place or self._take()
        try:
            self._make_room(len(ids))
            scores = self._context.read(
                ids,
                range(mine.tokens, mine.tokens + len(ids)),
                [mine.number] * len(ids),
                len(ids) if every else 1,
            )
        except BaseException:
            if place is None:
                self._give_back(mine)
            raise
        self._count(mine, len(ids))
        return scores, mine

    def go_on(self, places: list[Place], tokens: list[int]) -> Tensor:
        """One more token for each of them. Raises `Unavailable`, and nothing has happened."""
        self._make_room(len(places))
        ends = [place.tokens for place in places]
        scores = self._context.read(tokens, ends, [place.number for place in places], len(places))
        for place in places:
            self._count(place, 1)
        return scores

    def end(self, place: Place, ids: tuple[int, ...], whose: Hashable) -> None:
        """`ids`: its text, or more than that."""
        ids = ids[: place.tokens]
        if not self._keeps or len(ids) < LEAST_TOKENS:
            self._give_back(place)
            return
        self._context.forget(place.number, place.tokens)  # if a step failed in the middle
        for other, known in list(self._kept):
            if other == whose and known == ids[: len(known)]:
                self._drop((other, known))
        self._kept[whose, ids] = place

    def forget(self) -> None:
        """All that nobody is answering."""
        while self._kept:
            self._drop(next(iter(self._kept)))

    def _take(self) -> Place:
        if not self._free and self._kept:
            self._drop(next(iter(self._kept)))
        if not self._free:
            raise no_room()
        return Place(self._free.pop())

    def _make_room(self, tokens: int) -> None:
        while self._room < tokens:
            if not self._kept:
                raise no_room()
            self._drop(next(iter(self._kept)))

    def _count(self, place: Place, more: int) -> None:
        place.tokens += more
        self._room -= more

    def _drop(self, text: tuple[Hashable, tuple[int, ...]]) -> None:
        self._give_back(self._kept.pop(text))

    def _give_back(self, place: Place) -> None:
        self._context.forget(place.number)
        self._room += place.tokens
        self._free.append(place.number)


class Rows:
    """All that are past their prompts, in one call of llama.cpp (`worker.batcher.Group`)."""

    def __init__(self, places: Places) -> None:
        self._places = places
        self._answers: list[GeneratedAnswer] = []

    def begin(self, ids: tuple[int, ...], whose: Whose) -> tuple[int, Place | None]:
        """As `_answering.Begin`."""
        mine = ((one.ids, one.cache) for one in self._answers if one.whose == whose)
        return self._places.begin(ids, whose, mine)

    def join(self, answer: GeneratedAnswer) -> None:
        self._answers.append(answer)

    def leave(self, answer: GeneratedAnswer) -> None:
        self._answers.remove(answer)

    def step(self) -> list[tuple[GeneratedAnswer, Next | RequestError]]:
        """Where there is no room for all, who joined last has to go."""
        going, gone = list(self._answers), list[GeneratedAnswer]()
        scores: Tensor | None = None
        while going and scores is None:
            try:
                scores = self._places.go_on(
                    [answer.cache for answer in going], [answer.token for answer in going]
                )
            except Unavailable:
                gone.append(going.pop())
                self._places.end(gone[-1].cache, (), "")
                gone[-1].cache = None
        refused = [(answer, no_room()) for answer in gone]
        if scores is None:
            return [*refused]
        nexts = map(Next, scores, scores.argmax(-1).tolist())
        return [*zip(going, nexts, strict=True), *refused]

    def end(self, answer: GeneratedAnswer) -> None:
        if answer in self._answers:
            self._answers.remove(answer)
        if answer.cache is not None:
            self._places.end(answer.cache, answer.ids, answer.whose)
            answer.cache = None
