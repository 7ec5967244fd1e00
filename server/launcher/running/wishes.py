"""What an operator wants of a worker, said through the app server or on the command line."""

from __future__ import annotations

import logging
from collections.abc import Awaitable, Callable, Sequence

from server.core.settings.server import KEY_PREFIX
from server.launcher.running.desired import Desired
from server.launcher.running.desired import Wish as State
from server.launcher.running.keeper import Keeper
from server.launcher.running.routing import Router
from server.launcher.running.swapped import Swapped
from server.launcher.setup.plan import WORKERS, ChildPlan
from server.wire.process import Join, Request, Wish

log = logging.getLogger(__name__)

_LASTING: dict[str, State] = {"stop": "stop", "drain": "drain"}
"""What it means for the workers of later starts; everything else: serve."""


def may_ask(by: ChildPlan, wish: Wish) -> bool:
    """Of all children the app server is believed about workers, and gateways, which know
    administrators by their keys, about joined servers, but not to send away every secret that the
    environment has; others are named in the log."""
    believed = "api" if isinstance(wish, Request) else "openai_api"
    if isinstance(wish, Join) and not (wish.join.api_key_env or KEY_PREFIX).startswith(KEY_PREFIX):
        believed = "nobody"
    if by.role != believed:
        log.warning("it may not ask for that", extra={"asked_by": by.name})
    return by.role == believed


def worker_meant(request: Request, keepers: Sequence[Keeper]) -> Keeper | None:
    """The worker that `request` is about; None, and a line in the log, if there is none.

    Only workers are at anybody's disposal: an operator who stopped the controller or the app
    server could not take it back.
    """
    for keeper in keepers:
        if keeper.plan.name == request.child and keeper.plan.role in WORKERS:
            return keeper
    log.warning("no such worker", extra={"ask": request.ask, "child": request.child[:200]})
    return None


class Wishes:
    def __init__(
        self,
        desired: Desired,
        router: Router,
        note: Callable[[str], None],
        limit_s: float,
        swap: Callable[[Keeper, str], Awaitable[bool]],
        swapped: Swapped,
    ) -> None:
        """`limit_s`: for the requests of a worker that is stopped."""
        self._swap = swap
        self._swapped = swapped
        self._desired = desired
        self._router = router
        self._note = note
        self._limit_s = limit_s

    async def fulfil(self, request: Request, keeper: Keeper) -> None:
        """One wish after another."""
        if request.ask == "swap":
            await self._fulfil_swap(request, keeper)
            return
        name = keeper.plan.name
        async with keeper.wishes:
            if request.ask == "drain" and keeper.held:
                self._note(f"{name} is stopped, so there is nothing to drain; start it first.")
                return
            self._note(f"An operator wants {name}: {request.ask}.")
            if not self._desired.remember(name, _LASTING.get(request.ask, "serve")):
                self._note(f"That could not be written down: the next start of {name} forgets it.")
            if request.ask in ("stop", "restart"):
                keeper.plan = keeper.plan.draining(False)
                if not await keeper.hold(self._limit_s):
                    self._note(f"{name} did not stop in {self._limit_s:g} s and was killed.")
            else:
                self._router.drain(keeper, request.ask == "drain")
            if request.ask in ("start", "restart"):
                keeper.start()

    async def _fulfil_swap(self, request: Request, keeper: Keeper) -> None:
        name, plan = keeper.plan.name, keeper.plan.loading_from(request.path)
        self._note(f"An operator wants {name}: swap {request.path}".rstrip() + ".")
        if not await self._swap(keeper, request.path):
            return
        if request.path and not self._swapped.remember(plan):
            self._note("That could not be written down: the next start of Shortline forgets it.")
        self._note(f"{name} is swapped.")
