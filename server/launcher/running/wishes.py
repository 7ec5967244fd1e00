"""What an operator wants of a worker, passed on by the app server."""

from __future__ import annotations

import logging
from collections.abc import Sequence

from server.launcher.running.keeper import Keeper
from server.launcher.setup.plan import WORKERS, ChildPlan
from server.wire.process import Request

log = logging.getLogger(__name__)


def worker_meant(by: ChildPlan, request: Request, keepers: Sequence[Keeper]) -> Keeper | None:
    """The worker that `request` is about; None, and a line in the log, if it may not be heard.

    Only the app server is believed, and only workers are at its disposal: an operator who stopped
    the controller or the app server could not take it back.
    """
    if by.role != "api":
        log.warning("only the app server may ask", extra={"asked_by": by.name})
        return None
    for keeper in keepers:
        if keeper.plan.name == request.child and keeper.plan.role in WORKERS:
            return keeper
    log.warning("no such worker", extra={"ask": request.ask, "child": request.child[:200]})
    return None


async def fulfil(request: Request, keeper: Keeper, limit_s: float) -> bool:
    """One wish after another; False if the child had to be killed after `limit_s`."""
    async with keeper.wishes:
        in_time = True
        if request.ask in ("stop", "restart"):
            in_time = await keeper.hold(limit_s)
        if request.ask in ("start", "restart"):
            keeper.start()
        return in_time
