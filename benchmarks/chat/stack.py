"""The app server behind the load generator, with everything behind it as the launcher starts it."""

from __future__ import annotations

from contextlib import AsyncExitStack
from pathlib import Path

from benchmarks.chat.peer import Peering
from benchmarks.gateway.answers import MODEL
from benchmarks.gateway.messages import Listening
from benchmarks.gateway.process import Process, running
from benchmarks.gateway.stack import START_S, Stack
from server.core.settings import ChatSettings
from server.wire.process import AppProcess, RoleSettings

APP = "server.app"
MAX_STREAMS = 10_000
"""Of the app server, here: what one costs is to be seen, not how many it takes."""


class ChatStack:
    """Controller, gateway and online worker in front of `upstream`, and any number of app servers
    in front of those, each with a database of its own."""

    def __init__(self, upstream: str, folder: Path, exits: AsyncExitStack) -> None:
        self._fleet = _Fleet(upstream, folder, exits)
        self._folder = folder
        self._exits = exits
        self._apps = 0
        self.gateway_url = ""

    async def start(self) -> dict[str, Process]:
        """The processes between an app server and the upstream, by role."""
        self.gateway_url, processes = await self._fleet.start()
        return processes

    async def open_app(self, exits: AsyncExitStack, module: str = APP) -> tuple[Process, str]:
        """Ready to be asked, until `exits` is left."""
        self._apps += 1
        settings = AppProcess(
            name=f"api {self._apps}",
            secret=self._fleet.secret,
            gateway_url=self.gateway_url,
            controller_url=self._fleet.addresses["controller"],
            database=f"sqlite+aiosqlite:///{self._folder}/chat-{self._apps}.db",
            webui=False,
            chat=ChatSettings(max_running=MAX_STREAMS, max_streams=MAX_STREAMS),
            expected_models=(MODEL,),
        )
        return await self._fleet.open(module, settings, exits)

    async def open_peer(self) -> tuple[Process, str]:
        peer = await self._exits.enter_async_context(
            running("peer", "benchmarks.chat.peer", self._folder)
        )
        peer.say(Peering(gateway_url=self.gateway_url).model_dump_json())
        address = Listening.model_validate_json(await peer.hear(START_S)).address
        return peer, address


class _Fleet(Stack):
    """The gateway's own benchmark's, whose secret and addresses an app server needs."""

    addresses: dict[str, str]

    def __init__(self, upstream: str, logs: Path, exits: AsyncExitStack) -> None:
        super().__init__(upstream, logs, exits)
        self.addresses = {}
        self.secret = self._secret

    async def open(
        self, module: str, settings: RoleSettings, exits: AsyncExitStack
    ) -> tuple[Process, str]:
        """Like `_start`, but ended with `exits`."""
        kept, self._exits = self._exits, exits
        try:
            return await self._start(module, settings)
        finally:
            self._exits = kept

    async def _start(self, module: str, settings: RoleSettings) -> tuple[Process, str]:
        process, address = await super()._start(module, settings)
        self.addresses[settings.name] = address
        return process, address
