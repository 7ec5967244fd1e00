"""vLLM in a thread and an event loop of its own, so that whoever asks may be in any loop.

The scheduler and the model are processes of vLLM's; here its requests begin, end and are told.
"""

from __future__ import annotations

import asyncio
import logging
import os
import threading
from collections.abc import AsyncGenerator, Callable, Collection, Coroutine
from itertools import count
from typing import Any, Final, TypeAlias

from vllm.engine.arg_utils import AsyncEngineArgs
from vllm.exceptions import VLLMClientError
from vllm.outputs import RequestOutput
from vllm.sampling_params import SamplingParams
from vllm.v1.engine.async_llm import AsyncLLM

from server.core.errors import BadRequest, Unavailable

log = logging.getLogger(__name__)

WATCH_S: Final = 0.5
"""Between two looks whether vLLM's own process lives."""
CALL_S: Final = 60.0
"""For one call of all its processes."""
_JOIN_S: Final = 10.0
_CANCEL_S: Final = 1.0

Piece: TypeAlias = Any
"""vLLM's `RequestOutput`, or what went wrong."""
Box: TypeAlias = asyncio.Queue[Piece]


class Core:
    """`close` it: its processes end with it, and with us however we end (`bound.py`)."""

    failed: Callable[[str], None]
    """Told why, once its process has died."""

    def __init__(self, name: str, args: AsyncEngineArgs) -> None:
        """Blocks until the model is loaded. Raises whatever vLLM raises."""
        self.failed = lambda why: log.error(why)
        self._loop = asyncio.new_event_loop()
        self._post = _Post(self._loop)
        self._numbers = count()
        self._open: set[asyncio.Task[None]] = set()
        self._started: list[AsyncLLM | BaseException] = []
        self._ready = threading.Event()
        self._closing = False
        self._thread = threading.Thread(
            target=self._work, args=(args,), name=f"engine {name}", daemon=True
        )
        self._thread.start()
        self._ready.wait()
        (found,) = self._started
        if isinstance(found, BaseException):
            raise found
        self.llm = found
        self.call(found.collective_rpc("end_with", args=(os.getpid(),)))

    def call(self, work: Coroutine[Any, Any, Any]) -> Any:
        """Its result; blocks."""
        return asyncio.run_coroutine_threadsafe(work, self._loop).result(CALL_S)

    async def run(
        self, prompt: dict[str, Any], params: SamplingParams, priority: int
    ) -> AsyncGenerator[RequestOutput, None]:
        """What comes new, piece by piece. To leave is to cancel.

        Raises `BadRequest` for what vLLM refuses, and `Unavailable`.
        """
        box: Box = asyncio.Queue()
        here = asyncio.get_running_loop()
        work = self._pump(prompt, params, priority, (here, box))
        if self._closing:
            work.close()
            raise Unavailable("This worker is shutting down.", retry_after_s=1)
        pump = asyncio.run_coroutine_threadsafe(work, self._loop)
        try:
            while True:
                piece = await box.get()
                if isinstance(piece, BaseException):
                    raise _in_our_words(piece) from piece
                yield piece
                if piece.finished:
                    return
        finally:
            pump.cancel()

    def close(self) -> None:
        """End every answer, the processes and the thread."""
        if not self._closing:
            self._closing = True
            self._loop.call_soon_threadsafe(self._loop.stop)
            self._thread.join(_JOIN_S)

    # the thread --------------------------------------------------------------------------------

    def _work(self, args: AsyncEngineArgs) -> None:
        asyncio.set_event_loop(self._loop)
        try:
            llm = AsyncLLM.from_engine_args(args)
        except BaseException as error:  # it belongs to whoever waits  # noqa: BLE001
            self._loop.close()
            self._started.append(error)
            self._ready.set()
            return
        self._started.append(llm)
        self._ready.set()
        watch = self._loop.create_task(self._watch(llm))
        self._loop.run_forever()
        watch.cancel()
        self._loop.run_until_complete(_cancel(self._open))
        self._post.send()
        llm.shutdown(timeout=_JOIN_S / 2)
        self._loop.run_until_complete(_cancel(asyncio.all_tasks(self._loop)))
        self._loop.close()
        del self.llm  # it would shut down once more when nothing is left to do that with

    async def _watch(self, llm: AsyncLLM) -> None:
        """vLLM tells nobody that its process was killed: who waits for it would wait for ever."""
        while not llm.errored:  # noqa: ASYNC110 - it has no event
            await asyncio.sleep(WATCH_S)
        await _cancel(self._open)
        self.failed("vLLM's own process has died")

    async def _pump(
        self, prompt: dict[str, Any], params: SamplingParams, priority: int, to: Address
    ) -> None:
        task = asyncio.current_task()
        assert task is not None
        self._open.add(task)
        try:
            pieces = self.llm.generate(prompt, params, str(next(self._numbers)), priority=priority)
            async for piece in pieces:
                self._post.put(to, piece)
        except asyncio.CancelledError as error:
            self._post.put(to, error)
            raise
        except Exception as error:  # noqa: BLE001 - whatever it is, it belongs to the consumer
            self._post.put(to, error)
        finally:
            self._open.discard(task)


async def _cancel(tasks: Collection[asyncio.Task[Any]]) -> None:
    """All but the one that asks."""
    others = [task for task in tasks if task is not asyncio.current_task()]
    for task in others:
        task.cancel()
    if others:
        await asyncio.wait(others, timeout=_CANCEL_S)


Address = tuple[asyncio.AbstractEventLoop, Box]


class _Post:
    """What a step has made for all consumers, told to each of their loops at once: to wake a loop
    costs more than a token."""

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self._loop = loop
        self._held: dict[asyncio.AbstractEventLoop, list[tuple[Box, Piece]]] = {}

    def put(self, to: Address, piece: Piece) -> None:
        loop, box = to
        if not self._held:
            self._loop.call_soon(self.send)
        self._held.setdefault(loop, []).append((box, piece))

    def send(self) -> None:
        held, self._held = self._held, {}
        for loop, pieces in held.items():
            if not loop.is_closed():
                loop.call_soon_threadsafe(_hand_out, pieces)


def _hand_out(pieces: list[tuple[Box, Piece]]) -> None:
    for box, piece in pieces:
        box.put_nowait(piece)


def _in_our_words(error: BaseException) -> Exception:
    if isinstance(error, VLLMClientError | ValueError):
        return BadRequest(f"vLLM does not take this: {error}")
    if isinstance(error, asyncio.CancelledError):
        return Unavailable("This worker is shutting down.", retry_after_s=1)
    return Unavailable("vLLM failed; the log of its worker says why.", retry_after_s=1)
