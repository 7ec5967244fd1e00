"""Work that runs code of strangers, such as a template, and has to end in time.

Nobody outside can end a thread, so it is made to raise. What a single call into C does, however
long, goes on to its end: a template's loops and recursions are none, `9 ** 9 ** 9` is one.
"""

from __future__ import annotations

import ctypes
import threading
import time
from collections.abc import Callable
from typing import Final, TypeVar

T = TypeVar("T")

LOOK_S: Final = 0.1
"""How often it is looked for work that is over its time."""
ARRIVAL_S: Final = 1.0
"""What is raised in a thread comes as soon as it runs; after this, never."""


class Overtime(BaseException):
    """Raised in the work itself, at any place of it: no `except Exception` there shall take it."""


class _Watch:
    def __init__(self) -> None:
        self._ends: dict[int, float] = {}
        """When the work of each thread has to be done. Whoever takes an entry away decides: its
        thread, that it was, or the watch, that it was not."""
        self._wanted = threading.Event()
        self._begun = threading.Lock()
        self._thread: threading.Thread | None = None

    def within(self, limit_s: float, work: Callable[[], T]) -> T:
        """What `work` returns. Raises `TimeoutError`."""
        self._begin()
        own = threading.get_ident()
        try:
            self._ends[own] = time.monotonic() + limit_s
            self._wanted.set()
            try:
                done = work()
            except Overtime:
                raise
            except BaseException:
                self._done(own)
                raise
            self._done(own)
            return done
        except Overtime:
            raise TimeoutError(f"it took more than {limit_s:g} s") from None

    def _done(self, own: int) -> None:
        if self._ends.pop(own, None) is None:  # too late: it is raised in here
            for _ in range(round(ARRIVAL_S / 0.01)):
                time.sleep(0.01)

    def _begin(self) -> None:
        if self._thread is None:
            with self._begun:
                if self._thread is None:
                    self._thread = threading.Thread(target=self._look, daemon=True, name="overtime")
                    self._thread.start()

    def _look(self) -> None:
        while True:
            self._wanted.wait()
            self._wanted.clear()
            if self._ends:
                self._wanted.set()
            time.sleep(LOOK_S)
            now = time.monotonic()
            for thread, end in list(self._ends.items()):
                if now >= end and self._ends.pop(thread, None) is not None:
                    _raise_in(thread)


def _raise_in(thread: int) -> None:
    ctypes.pythonapi.PyThreadState_SetAsyncExc(ctypes.c_ulong(thread), ctypes.py_object(Overtime))


within = _Watch().within
