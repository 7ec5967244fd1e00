"""Lets many wait for the next change; whoever is slow meets only the latest."""

from __future__ import annotations

import asyncio


class Changes:
    """A number that grows, and those who wait for it to grow."""

    def __init__(self) -> None:
        self.revision = 0
        self._next = asyncio.Event()

    def bump(self) -> None:
        self.revision += 1
        self.wake()

    def wake(self) -> None:
        """Let everybody look up without a change: something else has happened."""
        self._next.set()
        self._next = asyncio.Event()

    async def after(self, seen: int, wait_s: float) -> int:
        """The latest revision: at once if it is not `seen`, else at the next change or `wake`,
        and no later than `wait_s` from now."""
        if self.revision == seen:
            try:
                async with asyncio.timeout(wait_s):
                    await self._next.wait()
            except TimeoutError:
                pass
        return self.revision
