"""Finished requests as OpenTelemetry spans, where `openai_api.tracing` names a collector.

One span for a request (a server's), below it one for each worker that was asked (a client's, with
the attributes of https://opentelemetry.io/docs/specs/semconv/gen-ai/gen-ai-spans/). They are made
afterwards, in a thread. OpenTelemetry is an extra (`pip install 'shortline[tracing]'`), imported
only when tracing is on.
"""

from __future__ import annotations

import asyncio
import logging
from collections import deque
from contextlib import suppress
from typing import Protocol

from server.core.errors import StartError
from server.core.settings.gateway import TracingSettings
from server.gateway.sight.record import Record

log = logging.getLogger(__name__)

EVERY_S = 1.0
MAX_PENDING = 4096
"""Requests whose spans wait; the oldest is dropped for one more."""
AT_ONCE = 512
FAREWELL_S = 3.0


class Outlet(Protocol):
    def send(self, records: list[Record]) -> str:
        """Make spans of them and hand them over; may block. Returns why nobody took them, empty
        when somebody did."""

    def close(self) -> None:
        """Break off what is being sent."""


class Spans:
    """`add` is cheap. `run` belongs among the gateway's background tasks, `aclose` behind it."""

    def __init__(self, outlet: Outlet) -> None:
        self._outlet = outlet
        self._pending: deque[Record] = deque()
        self._sending: asyncio.Task[None] | None = None
        self._in_trouble = False
        self.dropped = 0

    def add(self, record: Record) -> None:
        self._pending.append(record)
        if len(self._pending) > MAX_PENDING:
            self._pending.popleft()
            self.dropped += 1

    async def run(self, every_s: float = EVERY_S) -> None:
        """For ever."""
        while True:
            await asyncio.sleep(every_s)
            await self.flush()

    async def flush(self) -> None:
        """Hand over what there is. Cancelling it does not break off what is being sent."""
        if self._sending is None or self._sending.done():
            self._sending = asyncio.create_task(self._send())
        await asyncio.shield(self._sending)

    async def aclose(self) -> None:
        """Hand over what is left, for `FAREWELL_S` at most."""
        with suppress(TimeoutError):
            async with asyncio.timeout(FAREWELL_S):
                await self.flush()
                await self.flush()  # what came while the first was under way
        self._outlet.close()
        if self._sending is not None:
            self._sending.cancel()

    async def _send(self) -> None:
        while self._pending:
            batch = [self._pending.popleft() for _ in range(min(AT_ONCE, len(self._pending)))]
            try:
                trouble = await asyncio.to_thread(self._outlet.send, batch)
            except Exception as error:  # noqa: BLE001 - no trace is worth the process
                trouble = f"{type(error).__name__}: {error}"
            self.dropped += len(batch) if trouble else 0
            self._note(trouble)

    def _note(self, trouble: str) -> None:
        """Once when it begins, once when it is over."""
        if trouble and not self._in_trouble:
            log.warning("traces cannot be handed over", extra={"reason": trouble})
        elif self._in_trouble and not trouble:
            log.info("traces are handed over again", extra={"dropped": self.dropped})
        self._in_trouble = bool(trouble)


def open_spans(settings: TracingSettings) -> Spans | None:
    """None when tracing is off. Raises `StartError` when its packages are not installed."""
    if not settings.endpoint:
        return None
    try:
        from server.gateway.sight.otlp import open_outlet
    except ImportError as error:
        raise StartError(
            f"openai_api.tracing is on, but the package {error.name} is not installed: "
            "pip install 'shortline[tracing]', or leave tracing.endpoint empty"
        ) from error
    headers = {name: value.get_secret_value() for name, value in settings.headers.items()}
    return Spans(open_outlet(settings.endpoint, headers))
