"""How many steps of the interpreter each function takes for one request, counted exactly."""

from __future__ import annotations

import sys
from collections import Counter
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from types import FrameType
from typing import Any

ROOT = Path(__file__).resolve().parents[2] / "server"


@dataclass(slots=True)
class Counts:
    """By function, as `web/edge.py Edge._serve`."""

    opcodes: Counter[str] = field(default_factory=Counter)
    calls: Counter[str] = field(default_factory=Counter)
    """A coroutine that is resumed is called once more."""


@contextmanager
def counting() -> Iterator[Counts]:
    """Of the functions below `server/`, while the block runs, in this thread."""
    counts = Counts()

    def watch(frame: FrameType, event: str, arg: object) -> Callable[..., Any] | None:
        code = frame.f_code
        if not code.co_filename.startswith(f"{ROOT}/"):
            return None
        name = f"{Path(code.co_filename).relative_to(ROOT)} {code.co_qualname}"
        counts.calls[name] += 1
        frame.f_trace_lines = False
        frame.f_trace_opcodes = True

        def step(frame: FrameType, event: str, arg: object) -> Callable[..., Any]:
            counts.opcodes[name] += event == "opcode"
            return step

        return step

    sys.settrace(watch)
    try:
        yield counts
    finally:
        sys.settrace(None)


async def counted(ask: Callable[[], Awaitable[None]], times: int) -> Counts:
    """Of `times` requests."""
    with counting() as counts:
        for _ in range(times):
            await ask()
    return counts
