"""Which turns of a conversation the model gets to see: the newest that fit its context."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass

from server.features.chat.tokens import estimate, most
from server.wire.browser import LeftOut

MAX_COUNTS = 8
"""How often the model's server is asked to count for one question."""


@dataclass(frozen=True, slots=True)
class Turn:
    """A question with its answer; either may be empty."""

    query: str
    response: str

    @property
    def texts(self) -> list[str]:
        return [text for text in (self.query, self.response) if text]


@dataclass(frozen=True, slots=True)
class Window:
    kept: int
    """The newest so many turns are shown to the model."""
    left_out: LeftOut


Count = Callable[[int], Awaitable[int | None]]
"""Tokens of the whole prompt with that many turns; None: nobody can tell."""


def budget_for(context_length: int | None, max_tokens: int | None) -> int | None:
    """Tokens that the prompt may have: room is kept for the answer, half of the context at most."""
    if context_length is None:
        return None
    wanted = max_tokens if max_tokens is not None else context_length // 4
    return context_length - min(wanted, context_length // 2)


async def fit(
    past: Sequence[Turn], fixed: Sequence[str], budget: int | None, count: Count
) -> Window:
    """As many of the newest turns as fit into `budget` tokens together with the `fixed` texts.

    past: newest first. Nothing is counted where everything fits for certain.
    """
    every = [*fixed, *(text for turn in past for text in turn.texts)]
    if budget is None or sum(map(most, every)) <= budget:
        return Window(len(past), LeftOut())
    sizes = _sizes(past, fixed)
    kept, scale = await _search(sizes, budget, count)
    rest = round((sizes[-1] - sizes[kept]) * scale)
    return Window(kept, LeftOut(turns=len(past) - kept, tokens=rest))


def _sizes(past: Sequence[Turn], fixed: Sequence[str]) -> list[int]:
    """The estimated tokens of the prompt with 0, 1, 2 … turns."""
    sizes = [sum(map(estimate, fixed))]
    for turn in past:
        sizes.append(sizes[-1] + sum(map(estimate, turn.texts)))
    return sizes


async def _search(sizes: Sequence[int], budget: int, count: Count) -> tuple[int, float]:
    """The most turns that fit, and the true size of one estimated token.

    Each exact count makes the estimates better, so that the next guess is nearly always right.
    """
    fits, too_many, scale = -1, len(sizes), 1.0
    for _ in range(MAX_COUNTS):
        guess = sum(size * scale <= budget for size in sizes) - 1
        guess = min(max(guess, fits + 1), too_many - 1)
        exact = await count(guess)
        if exact is None:
            return max(0, guess), scale
        scale = exact / max(1, sizes[guess])
        if exact <= budget:
            fits = guess
        else:
            too_many = guess
        if too_many - fits <= 1:
            break
    return max(0, fits), scale
