"""What the model remembers of texts that were read: a conversation's next turn begins with them."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING, Final, TypeAlias

if TYPE_CHECKING:
    from server.worker.batch.rows import Memory

LEAST_TOKENS: Final = 16
"""What is shorter is read again as fast as it is found."""


Whose = tuple[str, str]
"""A customer, and the adapter that it was read with."""
Text = tuple[Whose, tuple[int, ...]]
Part: TypeAlias = "Callable[[int], Memory]"
"""The memory of so many of a text's first tokens."""
Live = Callable[[Whose], Iterable[tuple[tuple[int, ...], Part]]]
"""Somebody's texts that are being answered."""


def _nobody(whose: Whose) -> tuple[()]:
    return ()


class Prefixes:
    """The last ones, up to so many bytes; whoever is asked for goes last.

    Each customer begins with texts of its own alone: how fast an answer begins would tell it what
    others have sent. And what one adapter makes of a text is of no use to another.
    """

    def __init__(self, most_bytes: int, live: Live = _nobody) -> None:
        """`live`: what is remembered beside them."""
        self._most_bytes = most_bytes
        self._live = live
        self._known: OrderedDict[Text, Memory] = OrderedDict()
        self.bytes = 0

    def keep(self, ids: tuple[int, ...], memory: Memory, whose: Whose = ("", "")) -> None:
        """`memory`: of all `ids`. It is ours from now on."""
        size = _size(memory)
        if len(ids) < LEAST_TOKENS or size > self._most_bytes:
            return
        for owner, known in list(self._known):
            if owner == whose and known == ids[: len(known)]:
                self._drop((owner, known))
        self._known[whose, ids] = memory
        self.bytes += size
        while self.bytes > self._most_bytes:
            self._drop(next(iter(self._known)))

    def find(self, ids: tuple[int, ...], whose: Whose = ("", "")) -> tuple[int, Memory | None]:
        """How many of the first of `ids` are remembered, and their memory, to be copied. Never
        all of them: the scores after the last one are not remembered."""
        most, found = 0, None
        for owner, known in self._known:
            common = alike(known, ids, most) if owner == whose else 0
            if common > most:
                most, found = common, (owner, known)
        part: Part | None = None
        for text, part_of in self._live(whose):
            common = alike(text, ids, most)
            if common > most:
                most, part = common, part_of
        length = min(most, len(ids) - 1)
        if length < LEAST_TOKENS:
            return 0, None
        if part is not None:
            return length, part(length)
        assert found is not None
        self._known.move_to_end(found)
        memory = self._known[found]
        return length, [(keys[:, :, :length], values[:, :, :length]) for keys, values in memory]

    def clear(self) -> None:
        self._known.clear()
        self.bytes = 0

    def _drop(self, text: Text) -> None:
        self.bytes -= _size(self._known.pop(text))


def alike(one: tuple[int, ...], other: tuple[int, ...], at_least: int) -> int:
    """How many tokens they begin with alike, if that is more than `at_least`."""
    low, high = 0, min(len(one), len(other))
    if one[: at_least + 1] != other[: at_least + 1]:
        return 0
    while low < high:
        middle = (low + high + 1) // 2
        if one[low:middle] == other[low:middle]:
            low = middle
        else:
            high = middle - 1
    return low


def _size(memory: Memory) -> int:
    return sum(side.nbytes for sides in memory for side in sides)
