"""One request that a drain counts, for as long as a block lasts."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from server.web.drain import Drain


@contextmanager
def in_flight(drain: Drain) -> Iterator[None]:
    drain.in_flight += 1
    try:
        yield
    finally:
        drain.ended()
