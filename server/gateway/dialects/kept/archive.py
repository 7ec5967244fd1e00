"""The gateway's way to what is kept: one thread of its own, as no disk holds up a request."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Concatenate, ParamSpec, TypeVar

from server.ledger.items import Addition
from server.ledger.responses import Answers, Kept

P = ParamSpec("P")
T = TypeVar("T")


class Archive:
    def __init__(self, file: Path | None) -> None:
        """`file` is opened when it is first needed; None: in memory."""
        self._file = file
        self._answers: Answers | None = None
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="kept")
        self._turn = asyncio.Lock()
        self._next: list[Kept | Addition] | None = None
        """Who comes now joins it; None: nobody waits for the turn."""
        self._writing: asyncio.Task[None]
        """Of what `_next` holds."""

    async def ask(
        self,
        question: Callable[Concatenate[Answers, P], T],
        *args: P.args,
        **kwargs: P.kwargs,
    ) -> T:
        """`question(answers, ...)` in the thread, one after the other. Raises `RequestError`s."""
        loop = asyncio.get_running_loop()
        return await loop.run_in_executor(
            self._thread, lambda: question(self._opened(), *args, **kwargs)
        )

    async def put(self, *new: Kept | Addition) -> None:
        """On the disk before it returns, together with all that come while it is busy."""
        batch = self._next
        if batch is None:
            batch = self._next = []
            self._writing = asyncio.create_task(self._write(batch), name="keeping answers")
            self._writing.add_done_callback(_look)
        batch += new
        await asyncio.shield(self._writing)

    async def _write(self, batch: list[Kept | Addition]) -> None:
        async with self._turn:
            self._next = None
            await self.ask(Answers.put, *batch)

    async def close(self) -> None:
        await asyncio.get_running_loop().run_in_executor(self._thread, self._close)
        self._thread.shutdown()

    def _opened(self) -> Answers:
        if self._answers is None:
            self._answers = Answers.open(self._file)
        return self._answers

    def _close(self) -> None:
        if self._answers is not None:
            self._answers.close()


def _look(task: asyncio.Task[None]) -> None:
    """Who waits is told of its error; perhaps nobody does any more."""
    if not task.cancelled():
        task.exception()
