"""The choices of one request, made at the same time as far as there are slots for them.

A request has one slot, and its choices take turns in it. Each further one that goes on beside them
has a slot of its own, which nobody else wants: so `n` choices weigh as much as `n` requests, and
less where others come. A prompt is read once: its other choices begin when its first has.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Callable, Hashable, Sequence
from contextlib import aclosing
from dataclasses import dataclass
from typing import Generic, Protocol, TypeVar

import anyio

C = TypeVar("C")
P = TypeVar("P")

_AHEAD = 8
"""Pieces of all choices that may wait for a slow client, beside those that wait in the engine."""


class Spare(Protocol):
    """Slots beyond the one that a request has."""

    def take(self) -> bool:
        """Whether there is one more; to be given back then."""

    def give(self) -> None: ...


class Together(Generic[C, P]):
    """`make`: the pieces of a choice; `prompt_of`: choices with an equal one share a prompt."""

    def __init__(
        self,
        choices: Sequence[C],
        make: Callable[[C], AsyncGenerator[P, None]],
        prompt_of: Callable[[C], Hashable],
        spare: Spare,
    ) -> None:
        self._waiting = list(choices)
        self._make = make
        self._prompt_of = prompt_of
        self._spare = spare
        self._read: dict[Hashable, bool] = {}
        """Of the prompts that were begun: whether something has come of it."""
        self._tasks: dict[asyncio.Task[None], bool] = {}
        """Whether each is in the slot that the request has anyway."""
        self._made: asyncio.Queue[tuple[C, P] | _Over[C]] = asyncio.Queue(_AHEAD)

    async def pieces(self) -> AsyncGenerator[tuple[C, P], None]:
        """As they come; those of one choice in their order. To leave is to cancel them all."""
        try:
            self._begin()
            while self._tasks:
                made = await self._made.get()
                if isinstance(made, _Over):
                    self._read[self._prompt_of(made.choice)] = True
                    self._free(made.task)
                    if made.error is not None:
                        raise made.error
                else:
                    self._read[self._prompt_of(made[0])] = True
                    yield made
                self._begin()
        finally:
            for task in self._tasks:
                task.cancel()
            with anyio.CancelScope(shield=True):  # no slot is given back while it is in use
                await asyncio.gather(*self._tasks, return_exceptions=True)
            for task in list(self._tasks):
                self._free(task)

    def _begin(self) -> None:
        """All that can."""
        while (choice := self._next()) is not None:
            is_own = not any(self._tasks.values())
            if not is_own and not self._spare.take():
                return
            self._waiting.remove(choice)
            self._read.setdefault(self._prompt_of(choice), False)
            self._tasks[asyncio.create_task(self._run(choice))] = is_own

    def _next(self) -> C | None:
        """The first one whose prompt is read, or is to be read by it."""
        for choice in self._waiting:
            if self._read.get(self._prompt_of(choice), True):
                return choice
        return None

    async def _run(self, choice: C) -> None:
        task = asyncio.current_task()
        assert task is not None
        error: Exception | None = None
        try:
            async with aclosing(self._make(choice)) as pieces:
                async for piece in pieces:
                    await self._made.put((choice, piece))
        except Exception as caught:  # noqa: BLE001 - it belongs to the request
            error = caught
        await self._made.put(_Over(task, choice, error))

    def _free(self, task: asyncio.Task[None]) -> None:
        """Its slot. What it was is told elsewhere."""
        if not self._tasks.pop(task):
            self._spare.give()


@dataclass(frozen=True, slots=True)
class _Over(Generic[C]):
    task: asyncio.Task[None]
    choice: C
    error: Exception | None
