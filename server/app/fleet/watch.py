"""Keeps what is known of the fleet current: launcher, controller and gateway are asked by turns."""

from __future__ import annotations

import asyncio
from contextlib import aclosing, suppress
from dataclasses import replace
from pathlib import Path
from typing import Any, Final

import psutil
from pydantic import ValidationError

from server.app.fleet.known import Known, read_listed
from server.app.fleet.models import GATEWAY
from server.app.fleet.traffic import read_traffic
from server.clients.fleet import ControllerClient
from server.clients.gateway import GatewayClient
from server.core.clock import Clock
from server.core.errors import NotFound, RequestError, TransportError
from server.core.limits import HEARTBEAT_S
from server.wire.launcher import LauncherState

ASK_S: Final = 1.0
CONTROLLER_SILENT_S: Final = HEARTBEAT_S + 1.0
_SAME_START_S: Final = 2.0


class FleetWatch:
    def __init__(
        self,
        gateway: GatewayClient,
        controller: ControllerClient | None,
        state_file: Path | None,
        clock: Clock,
    ) -> None:
        self.known = Known()
        self.revision = 0
        """Grows with every change."""
        self._gateway = gateway
        self._controller = controller
        self._state_file = state_file
        self._clock = clock
        self._heard_at = clock.monotonic()
        self._changed = asyncio.Event()

    async def look(self) -> None:
        """Ask once, so that a server that has just started is not wholly ignorant."""
        await self._ask_gateway()
        await self._read_state()

    async def run(self) -> None:
        """For ever."""
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(self._again(self._ask_gateway))
            tasks.create_task(self._again(self._read_state))
            if self._controller is not None:
                tasks.create_task(self._follow(self._controller))

    async def after(self, revision: int, limit_s: float) -> None:
        """Wait until there is something newer than `revision`, or the time is up."""
        with suppress(TimeoutError):
            async with asyncio.timeout(limit_s):
                while self.revision == revision:
                    await self._changed.wait()

    def wake(self) -> None:
        """Let everybody look again."""
        self.revision += 1
        changed, self._changed = self._changed, asyncio.Event()
        changed.set()

    async def _again(self, ask: Any) -> None:
        while True:
            await ask()
            await asyncio.sleep(ASK_S)

    async def _follow(self, controller: ControllerClient) -> None:
        async with aclosing(controller.watch()) as views:
            async for view in views:
                self._heard_at = self._clock.monotonic()
                self._learn(self.known.seeing(view))
                self._fault("controller", None)

    async def _ask_gateway(self) -> None:
        try:
            traffic = read_traffic(await self._stats())
            self._learn(replace(self.known, traffic=traffic))
            if self._controller is None:
                listed = read_listed(await self._gateway.models())
                self._learn(replace(self.known, listed=listed))
            self._fault(GATEWAY, None)
        except TransportError:
            self._fault(GATEWAY, "the gateway does not answer")
        except RequestError as error:
            self._fault(GATEWAY, f"the gateway refuses: {error.message}")

    async def _stats(self) -> dict[str, Any]:
        """Nothing, where the gateway is not one of ours."""
        try:
            return await self._gateway.stats()
        except NotFound:
            return {}

    async def _read_state(self) -> None:
        silent_s = self._clock.monotonic() - self._heard_at
        if self._controller is not None and silent_s > CONTROLLER_SILENT_S:
            self._fault("controller", "the controller does not answer")
        if self._state_file is not None:
            state, memory = await asyncio.to_thread(_observe, self._state_file)
            self._learn(replace(self.known, launcher=state, memory=memory))

    def _learn(self, known: Known) -> None:
        if known != self.known:
            self.known = known
            self.wake()

    def _fault(self, name: str, words: str | None) -> None:
        faults = {key: value for key, value in self.known.faults.items() if key != name}
        if words is not None:
            faults[name] = words
        self._learn(replace(self.known, faults=faults))


def _observe(file: Path) -> tuple[LauncherState | None, dict[int, int]]:
    """What the launcher wrote, and the memory of its living children by pid."""
    try:
        state = LauncherState.model_validate_json(file.read_bytes())
    except (OSError, ValidationError):
        return None, {}
    memory = {}
    for child in state.children:
        if child.pid is not None:
            with suppress(psutil.Error):
                process = psutil.Process(child.pid)
                if child.created is None or _is_same(process, child.created):
                    memory[child.pid] = process.memory_info().rss >> 20 << 20
    return state, memory


def _is_same(process: psutil.Process, created: float) -> bool:
    """Not a later process that was given the same pid."""
    return abs(process.create_time() - created) < _SAME_START_S
