"""What the model remembers of texts that were read: a conversation's next turn begins with them."""

from __future__ import annotations

from collections import OrderedDict
from typing import Final

from server.worker.engines._batch import Memory

LEAST_TOKENS: Final = 16
"""What is shorter is read again as fast as it is found."""


Text = tuple[str, tuple[int, ...]]
"""Whose it is, and its tokens."""


class Prefixes:
    """The last ones, up to so many bytes; whoever is asked for goes last.

    Each customer begins with texts of its own alone: how fast an answer begins would tell it what
    others have sent.
    """

    def __init__(self, most_bytes: int) -> None:
        self._most_bytes = most_bytes
        self._known: OrderedDict[Text, Memory] = OrderedDict()
        self.bytes = 0

    def keep(self, ids: tuple[int, ...], memory: Memory, customer: str = "") -> None:
        """`memory`: of all `ids`. It is ours from now on."""
        size = _size(memory)
        if len(ids) < LEAST_TOKENS or size > self._most_bytes:
            return
        for whose, known in list(self._known):
            if whose == customer and known == ids[: len(known)]:
                self._drop((whose, known))
        self._known[customer, ids] = memory
        self.bytes += size
        while self.bytes > self._most_bytes:
            self._drop(next(iter(self._known)))

    def find(self, ids: tuple[int, ...], customer: str = "") -> tuple[int, Memory | None]:
        """How many of the first of `ids` are remembered, and their memory, to be copied. Never
        all of them: the scores after the last one are not remembered."""
        most, found = 0, None
        for whose, known in self._known:
            common = _common(known, ids, most) if whose == customer else 0
            if common > most:
                most, found = common, (whose, known)
        if found is None or min(most, len(ids) - 1) < LEAST_TOKENS:
            return 0, None
        self._known.move_to_end(found)
        length = min(most, len(ids) - 1)
        memory = self._known[found]
        return length, [(keys[:, :, :length], values[:, :, :length]) for keys, values in memory]

    def clear(self) -> None:
        self._known.clear()
        self.bytes = 0

    def _drop(self, text: Text) -> None:
        self.bytes -= _size(self._known.pop(text))


def _common(one: tuple[int, ...], other: tuple[int, ...], at_least: int) -> int:
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
