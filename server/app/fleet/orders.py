"""What an operator may tell a process: the launcher or the controller is asked to do it."""

from __future__ import annotations

import logging
from collections.abc import Callable
from typing import get_args

from server.app.fleet.feed import FleetFeed
from server.app.fleet.report import Action
from server.app.fleet.watch import FleetWatch
from server.clients.fleet import ControllerClient
from server.core.errors import Conflict, NotFound, TransportError, Unavailable
from server.wire.browser import ProcessReport
from server.wire.fleet import WorkerRef
from server.wire.process import Request

log = logging.getLogger(__name__)


class Orders:
    def __init__(
        self,
        watch: FleetWatch,
        feed: FleetFeed,
        controller: ControllerClient | None,
        say: Callable[[Request], None],
    ) -> None:
        self._watch = watch
        self._feed = feed
        self._controller = controller
        self._say = say

    async def give(self, name: str, action: str) -> ProcessReport:
        """What it was when told. Raises `NotFound` for a name or a word that is unknown,
        `Conflict` for what cannot be done to it now."""
        process = self._find(name)
        if action not in get_args(Action):
            raise NotFound("There is no such action; there are start, stop, restart and drain.")
        if action not in process.can:
            raise Conflict(f"{name} is {process.status}: it cannot be told to {action} now.")
        log.info("an operator's order", extra={"child": name, "action": action})
        if self._is_ours(process):  # the launcher remembers it over every restart
            self._say(Request(ask=action, child=process.name))
        else:
            await self._route(process, serving=action == "start")
        return process

    def _is_ours(self, process: ProcessReport) -> bool:
        launcher = self._watch.known.launcher
        children = launcher.children if launcher else ()
        return any(child.name == process.name for child in children)

    def _find(self, name: str) -> ProcessReport:
        """By its name, or by the part after its role where that is enough."""
        processes = self._feed.report().processes
        for process in processes:
            if process.name == name:
                return process
        short = [process for process in processes if process.name.partition(" ")[2] == name]
        if len(short) == 1:
            return short[0]
        known = ", ".join(process.name for process in processes)
        raise NotFound(f"There is no process of this name; there are: {known}.")

    async def _route(self, process: ProcessReport, *, serving: bool) -> None:
        """Have new requests sent there, or none."""
        workers = {worker.address: worker for worker in self._watch.known.workers}
        worker = workers.get(process.address or "")
        if self._controller is None or worker is None:
            raise Conflict(f"{process.name} is not known to the controller any more.")
        ref = WorkerRef(address=worker.address, generation=worker.generation)
        try:
            await (self._controller.resume if serving else self._controller.drain)(ref)
        except TransportError as error:
            raise Unavailable("The controller does not answer.", retry_after_s=1) from error
