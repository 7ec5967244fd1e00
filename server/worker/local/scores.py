"""How likely tokens were, in the order of the text: each is told with the text it begins."""

from __future__ import annotations

from codecs import getincrementaldecoder
from collections import deque
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

from server.worker.asked import Prepared, Scored

_Decoder = getincrementaldecoder("utf-8")


@dataclass(frozen=True, slots=True)
class Placed:
    """A token, and where it stands in its text, in characters.

    One that is a part of a character begins where that character does.
    """

    text: bytes
    begin: int
    end: int
    scored: Scored | None
    """None: nothing stood before it."""


class Scores:
    """Holds back those of tokens whose text is held back."""

    def __init__(self, start: int = 0) -> None:
        """`start`: where the first of them stands."""
        self._decoder = _Decoder("ignore")
        self._at = start
        self._waiting: deque[Placed] = deque()

    def add(self, scores: Iterable[Scored]) -> None:
        for scored in scores:
            self._waiting.append(self._place(scored.text, scored))

    def until(self, end: int) -> list[Placed]:
        """Those that begin before `end`, and the marks there, which have no text."""
        return list(self._taken(end))

    def rest(self) -> list[Placed]:
        rest, self._waiting = list(self._waiting), deque()
        return rest

    def _taken(self, end: int) -> Iterator[Placed]:
        while self._waiting:
            first = self._waiting[0]
            if first.begin > end or (first.begin == end and first.text):
                return
            yield self._waiting.popleft()

    def _place(self, text: bytes, scored: Scored | None) -> Placed:
        begin = self._at
        self._at += len(self._decoder.decode(text))
        return Placed(text, begin, self._at, scored)


def of_prompt(prepared: Prepared, scores: Sequence[Scored | None]) -> list[Placed]:
    """Those of a whole prompt, its first token included, which nothing stood before.

    That one's text is what the others leave of the prompt: none if it is a mark.
    """
    known = b"".join(scored.text for scored in scores if scored is not None)
    whole = prepared.text.encode()
    first = whole[: len(whole) - len(known)] if whole.endswith(known) else b""
    decoder, at, placed = _Decoder("ignore"), 0, []
    for scored in scores:
        text = first if scored is None else scored.text
        begin, at = at, at + len(decoder.decode(text))
        placed.append(Placed(text, begin, at, scored))
    return placed
