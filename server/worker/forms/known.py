"""Forms that were compiled lately."""

from __future__ import annotations

from collections import OrderedDict

from llguidance import LLMatcher

_MOST_KNOWN = 64
_MOST_KNOWN_BYTES = 4 << 20
"""Of schemas; the grammars take about ten times as much."""


class Known:
    """The compiled forms that were used last, and what is wrong with those that are no good."""

    def __init__(self) -> None:
        self._found: OrderedDict[bytes, tuple[LLMatcher | str, int]] = OrderedDict()
        self._bytes = 0

    def get(self, key: bytes) -> LLMatcher | str | None:
        if key not in self._found:
            return None
        self._found.move_to_end(key)
        return self._found[key][0]

    def put(self, key: bytes, found: LLMatcher | str, schema_bytes: int) -> None:
        """Forget the oldest ones if there are too many."""
        self._bytes += schema_bytes - self._found.pop(key, ("", 0))[1]
        self._found[key] = (found, schema_bytes)
        while len(self._found) > _MOST_KNOWN or self._bytes > _MOST_KNOWN_BYTES:
            self._bytes -= self._found.popitem(last=False)[1][1]
