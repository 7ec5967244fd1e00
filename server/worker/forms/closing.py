"""An answer that has a form ends where its model would end it.

A model that has said what it had to say gives its end the best score, also in the middle of a text
that a form still wants closed. There the end may not come. Were it only barred, the model would
have to go on, and small ones then talk until their context is full. So what it gives to its end
goes to the mark that brings the end nearer.

An answer that has to call may end behind each call, or call again. A model that was never taught to
call wants neither; what stands in front of it is then the likeliest again, and so it would call
until its context is full. So what it gives to all that may not come there goes to its end.
"""

from __future__ import annotations

from collections.abc import Collection
from typing import Final

import torch
from llguidance import LLTokenizer
from torch import Tensor

_MARKS: Final = ('"', "}", "]", ",", ":")
"""The first that may come is given it: within a text that is the quote."""


class Closing:
    """Of one model. `ends`: the tokens that end an answer."""

    def __init__(
        self, words: LLTokenizer, ends: Collection[int], *, between_calls: bool = False
    ) -> None:
        """`between_calls`: of answers that end, or call again, and have nothing else to say."""
        self._between_calls = between_calls
        self._ends = list(ends)
        spelt = [words.tokenize_str(mark) for mark in _MARKS]
        self._marks = [tokens[0] for tokens in spelt if len(tokens) == 1]

    def give(
        self, masked: Tensor, scores: Tensor, bits: bytes, thought_end: int | None = None
    ) -> None:
        """Change `masked`, what the mask `bits` leaves of `scores`.

        `thought_end`: the special token that ends a thought, where the form begins behind one.
        """
        end = next((end for end in self._ends if _is_set(bits, end)), None)
        if end is not None:
            if self._between_calls and end < len(scores):
                barred = scores[masked.isneginf()].logsumexp(-1)
                masked[end] = torch.logaddexp(masked[end], barred)
            return
        marks = self._marks if thought_end is None else [thought_end, *self._marks]
        mark = next((mark for mark in marks if _is_set(bits, mark)), None)
        ends = [end for end in self._ends if end < len(scores)]
        if mark is None or mark >= len(scores) or not ends:
            return
        masked[mark] = torch.logaddexp(masked[mark], scores[ends].logsumexp(-1))


def _is_set(bits: bytes, token: int) -> bool:
    return bool(bits[token >> 3] >> (token & 7) & 1)
