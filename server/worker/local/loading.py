"""Loading a model, which blocks for seconds or minutes, while signals and the loop are heard."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable
from typing import Any, TypeVar

from server.core.errors import StartError

T = TypeVar("T")


async def load_unless_stopped(load: Callable[[], T], stopping: asyncio.Event) -> T:
    """What `load()` returns. Raises what it raises, or `StartError` once `stopping` is set.

    The thread is a daemon: a process that is told to stop does not wait for its model.
    """
    loaded = _in_daemon(load)
    stopped = asyncio.create_task(stopping.wait())
    either: list[asyncio.Future[Any]] = [loaded, stopped]
    try:
        await asyncio.wait(either, return_when=asyncio.FIRST_COMPLETED)
    finally:
        stopped.cancel()
    if not loaded.done():
        loaded.cancel()
        raise StartError("told to stop while the model was loading")
    return loaded.result()


def _in_daemon(load: Callable[[], T]) -> asyncio.Future[T]:
    loop = asyncio.get_running_loop()
    future: asyncio.Future[T] = loop.create_future()

    def settle(result: T | None, error: BaseException | None) -> None:
        if future.done():
            return
        if error is not None:
            future.set_exception(error)
        else:
            future.set_result(result)  # type: ignore[arg-type]

    def work() -> None:
        result, error = None, None
        try:
            result = load()
        except BaseException as failure:  # it belongs to whoever waits  # noqa: BLE001
            error = failure
        if not loop.is_closed():
            loop.call_soon_threadsafe(settle, result, error)

    threading.Thread(target=work, name="load", daemon=True).start()
    return future
