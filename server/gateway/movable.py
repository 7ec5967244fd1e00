"""A block that can be left from outside: a FastChat worker is asked in several steps."""

from __future__ import annotations

import asyncio
from types import TracebackType
from typing import Self

from server.core.errors import CutOff


class Movable:
    """Enter it to ask a worker; `move` ends the block with `CutOff`."""

    __slots__ = ("_cancel", "_done")

    def __init__(self) -> None:
        self._cancel = asyncio.timeout(None)
        self._done = False

    async def __aenter__(self) -> Self:
        await self._cancel.__aenter__()
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._done = True
        try:
            await self._cancel.__aexit__(kind, error, trace)
        except TimeoutError as expired:
            raise CutOff("the worker fell silent") from expired

    def move(self) -> None:
        """Leave this worker. Once is enough, and after the end it means nothing."""
        if not self._done:
            self._done = True
            self._cancel.reschedule(asyncio.get_running_loop().time())
