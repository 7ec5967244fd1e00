"""Requests for a model that is not loaded: it is woken, and they wait until it is there.

Nobody here can load it: the controller is asked, its feed brings the wish to the launcher, and the
feed brings the news back.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Iterable, Iterator
from contextlib import contextmanager, suppress

from server.core.errors import BadRequest, Overloaded, TransportError, Unavailable
from server.core.limits import HEARTBEAT_S, RETRY_AFTER_S, WAKE_RETRY_S
from server.gateway.delivery import Delivery
from server.gateway.fleet import Fleet
from server.wire.fleet import Resting


class Waking:
    def __init__(self, fleet: Fleet, wake: Callable[[str], Awaitable[object]], wait_s: float):
        """`wake`: ask for a model; `wait_s`: for each request, in all."""
        self._fleet = fleet
        self._wake = wake
        self._wait_s = wait_s
        self._news: set[asyncio.Future[None]] = set()
        self._waiting: dict[str, int] = {}
        self._by_request: dict[str, str] = {}
        """The model that each one waits for."""
        self._asking: dict[str, asyncio.Task[None]] = {}
        self._hinted: set[asyncio.Task[None]] = set()

    def look(self) -> None:
        """The fleet has changed."""
        news, self._news = self._news, set()
        for one in news:
            if not one.done():
                one.set_result(None)

    def hint(self, models: Iterable[str]) -> None:
        """They were passed over because they rest: whoever comes later shall find them."""
        for model in models:
            if model in self._fleet.resting and model not in self._asking:
                task = asyncio.create_task(self._ask(model))
                self._hinted.add(task)
                task.add_done_callback(self._hinted.discard)

    def waits_for(self, request_id: str) -> Resting | None:
        """The model that is loaded for this request; None: that is not what it waits for."""
        return self._fleet.resting.get(self._by_request.get(request_id, ""))

    async def wait_for(self, delivery: Delivery, reason: Unavailable) -> None:
        """Until there is a worker to ask. Raises `reason` if none is going to be, and what else
        keeps the request from one."""
        model = next((m for m in delivery.models if m in self._fleet.resting), None)
        if model is None or self._fleet.is_up(model, delivery.been):
            raise reason  # who is up and does not take it will not do so for being woken
        resting = self._fleet.resting[model]
        ability = delivery.asked.ability
        if resting.abilities and ability not in resting.abilities:
            raise BadRequest(
                f"The model {model!r} does not serve {ability}.",
                param="model",
                code="unsupported_model",
            )
        if self._waiting.get(model, 0) >= resting.places:
            raise Overloaded(
                f"{model!r} is being loaded, and {resting.places} requests wait for it already.",
                retry_after_s=RETRY_AFTER_S,
            )
        now = delivery.limit.now()
        if delivery.wait_until is None:
            delivery.wait_until = now + self._wait_s
        left_s = delivery.wait_until - now
        delivery.record.note(f"waits for {model!r} to be loaded, {max(0.0, left_s):.0f} s at most")
        with self._asked_for(model, delivery.record.request_id):
            await self._until_up(model, delivery, left_s, reason)
        delivery.record.note(f"{model!r} is there")

    async def _until_up(
        self, model: str, delivery: Delivery, left_s: float, reason: Unavailable
    ) -> None:
        try:
            async with asyncio.timeout(left_s):
                while not self._fleet.is_up(model, delivery.been):
                    self._check(model, reason)
                    news: asyncio.Future[None] = asyncio.get_running_loop().create_future()
                    self._news.add(news)
                    try:
                        await news
                    finally:
                        self._news.discard(news)
        except TimeoutError:
            resting = self._fleet.resting.get(model)
            far = f" ({resting.detail})" if resting and resting.detail else ""
            raise Unavailable(
                f"{model!r} is being loaded{far} and was not there within {self._wait_s:g} s; "
                "try again shortly.",
                retry_after_s=WAKE_RETRY_S,
                code="model_loading",
            ) from None

    def _check(self, model: str, reason: Unavailable) -> None:
        """Raises what the launcher says of it, or `reason` when it says nothing any more."""
        resting = self._fleet.resting.get(model)
        if resting is None:
            raise reason
        if resting.trouble and not resting.retry:
            raise Unavailable(
                f"{model!r} cannot be loaded now: {resting.trouble}.",
                retry_after_s=WAKE_RETRY_S,
                code="model_not_loaded",
            )

    @contextmanager
    def _asked_for(self, model: str, request_id: str) -> Iterator[None]:
        """In the block, the controller is told that somebody waits for it."""
        self._by_request[request_id] = model
        self._waiting[model] = self._waiting.get(model, 0) + 1
        if model not in self._asking:
            self._asking[model] = asyncio.create_task(self._keep_asking(model))
        try:
            yield
        finally:
            self._by_request.pop(request_id, None)
            self._waiting[model] -= 1
            if not self._waiting[model]:
                del self._waiting[model]
                self._asking.pop(model).cancel()

    async def _keep_asking(self, model: str) -> None:
        while True:
            await self._ask(model)
            await asyncio.sleep(HEARTBEAT_S)

    async def _ask(self, model: str) -> None:
        with suppress(TransportError):  # the client logs it, and it is asked again
            await self._wake(model)
