"""FastChat's clients and models that are not loaded: one is woken, and who asked waits for it.

Gateways see to their own requests (`server/gateway/waking.py`); FastChat's programs know nobody but
the controller.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from contextlib import contextmanager

from server.controller.picker import Picker
from server.controller.registry import Entry, Registry
from server.core.errors import ModelNotFound, Overloaded, RequestError, Unavailable
from server.core.limits import HEARTBEAT_S, RETRY_AFTER_S, WAKE_RETRY_S
from server.wire.fleet import Resting


class Waking:
    def __init__(self, registry: Registry, picker: Picker, wait_s: float) -> None:
        """`wait_s`: for each request."""
        self._registry = registry
        self._picker = picker
        self._wait_s = wait_s
        self._waiting: dict[str, int] = {}

    async def pick(self, model: str) -> Entry:
        """As `Picker.pick`, once there is a worker. Raises `ModelNotFound` where nobody is going to
        load it, `Overloaded` and `Unavailable` where it is not there in time."""
        entry = self._picker.pick(model)
        if entry is not None:
            return entry
        with self._waits(model):
            try:
                async with asyncio.timeout(self._wait_s):
                    return await self._woken(model)
            except TimeoutError:
                raise self._late(model) from None

    async def _woken(self, model: str) -> Entry:
        news = self._registry.members
        while True:
            seen = news.revision
            entry = self._picker.pick(model)
            if entry is not None:
                return entry
            resting = self._registry.resting(model)
            if resting is None:
                raise _nobody(model)
            if resting.trouble and not resting.retry:
                raise Unavailable(
                    f"{model!r} cannot be loaded now: {resting.trouble}.",
                    retry_after_s=WAKE_RETRY_S,
                    code="model_not_loaded",
                )
            self._registry.want(model)  # it counts as long as it is said
            await news.after(seen, HEARTBEAT_S)

    @contextmanager
    def _waits(self, model: str) -> Iterator[None]:
        resting = self._registry.resting(model)
        waiting = self._waiting.get(model, 0)
        if resting is not None and waiting >= resting.places:
            raise Overloaded(
                f"{model!r} is being loaded, and {waiting} requests wait for it already.",
                retry_after_s=RETRY_AFTER_S,
            )
        self._waiting[model] = waiting + 1
        try:
            yield
        finally:
            self._waiting[model] -= 1
            if not self._waiting[model]:
                del self._waiting[model]

    def _late(self, model: str) -> RequestError:
        resting: Resting | None = self._registry.resting(model)
        far = f" ({resting.detail})" if resting and resting.detail else ""
        return Unavailable(
            f"{model!r} is being loaded{far} and was not there within {self._wait_s:g} s; "
            "try again shortly.",
            retry_after_s=WAKE_RETRY_S,
            code="model_loading",
        )


def _nobody(model: str) -> ModelNotFound:
    return ModelNotFound(f"No worker serves {model!r} now.", param="model")
