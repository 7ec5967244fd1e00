"""A supervisor over fake children, and what it has said and done."""

from __future__ import annotations

import asyncio
import json
import os
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import httpx
from pydantic import SecretStr

from server.core.clock import SystemClock
from server.core.provider_settings import ProviderSettings
from server.core.settings import (
    AppSettings,
    ControllerSettings,
    FleetSettings,
    GatewaySettings,
    LauncherSettings,
    ModelSettings,
)
from server.launcher.running.keeper import Keeper
from server.launcher.running.supervisor import Supervisor
from server.launcher.setup.choice import Choice
from server.launcher.setup.home import Home
from server.launcher.setup.plan import MODULES, Maker
from server.launcher.setup.prepare import Prepared
from server.launcher.setup.providers import Provider
from server.launcher.setup.servers import provider_of
from server.launcher.wanted import Wanted
from server.wire.launcher import ChildState

CODE = Path(__file__).parents[2]
FAKES = dict.fromkeys(MODULES, "tests.fakes.child")
SECRET = "s" * 32
PROVIDER = Provider(
    Path("p.yaml"), ProviderSettings(name="p", base_url="https://a.example"), SecretStr("k"), ()
)


class Heard:
    """A view that remembers."""

    def __init__(self) -> None:
        self.said: list[str] = []

    def changed(self, children: Sequence[ChildState]) -> None:
        return

    def say(self, text: str) -> None:
        self.said.append(text)

    def settle(self) -> None:
        return

    def has(self, *words: str) -> bool:
        return any(all(word in text for word in words) for text in self.said)


class Fleet:
    """With a controller, a gateway, `models`, and perhaps an app server.

    `behaviour` as in `tests.fakes.child`.
    """

    def __init__(
        self,
        home: Home,
        *,
        models: Sequence[str] = ("a",),
        providers: Sequence[Provider] = (),
        behaviour: dict[str, str] | None = None,
        deadline_s: float = 20.0,
        drain_s: float = 20.0,
        app: bool = False,
        changed: Callable[[Sequence[ChildState]], None] = lambda children: None,
    ) -> None:
        settings = FleetSettings(
            launcher=LauncherSettings(start_deadline_s=deadline_s, drain_s=drain_s),
            controller=ControllerSettings(port=0),
            openai_api=GatewaySettings(port=0),
            api=AppSettings(port=0),
        )
        wanted = Wanted(gateway=True, local=True, online=True, app=app, webui=app)
        choice = Choice(tuple(ModelSettings(name=m, path="x") for m in models), tuple(providers))
        maker = Maker(settings, SecretStr(SECRET), modules=FAKES)
        children = maker.children(wanted, choice)
        self._story = home.root / "story"
        environ = {
            "PATH": os.environ["PATH"],
            "FAKE_CHILD": json.dumps(behaviour or {}),
            "FAKE_STORY": str(self._story),
        }
        prepared = Prepared(
            settings.launcher,
            tuple(children),
            (),
            environ,
            SecretStr(SECRET),
            "",
            lambda server: maker.online(provider_of(server, environ, Path("joined.json"))),
        )
        self.view = Heard()
        self.ready = asyncio.Event()
        self.supervisor = Supervisor(
            prepared, home, self.view, cwd=CODE, clock=SystemClock(), changed=changed
        )

    async def run(self) -> int:
        return await self.supervisor.run(self.ready.set)

    def keeper(self, name: str) -> Keeper:
        return next(k for k in self.supervisor.keepers if k.plan.name == name)

    def state(self, name: str) -> ChildState:
        return self.keeper(name).state

    def pid(self, name: str) -> int:
        pid = self.state(name).pid
        assert pid is not None
        return pid

    async def wish(self, ask: str, child: str, *, by: str = "api") -> None:
        """What an operator wants, by way of a child."""
        async with httpx.AsyncClient(base_url=self.state(by).address or "") as http:
            await http.post("/wish", json={"ask": ask, "child": child})

    def story(self, what: str) -> list[dict[str, Any]]:
        """What the children have told, of one kind."""
        lines = self._story.read_text().splitlines() if self._story.exists() else []
        return [event for event in map(json.loads, lines) if event["what"] == what]

    @asynccontextmanager
    async def running(self) -> AsyncIterator[None]:
        """Ready in the block, stopped after it with exit code 0."""
        run = asyncio.create_task(self.run())
        ready = asyncio.create_task(self.ready.wait())
        await asyncio.wait({run, ready}, return_when=asyncio.FIRST_COMPLETED, timeout=20)
        assert self.ready.is_set(), self.view.said
        try:
            yield
        finally:
            self.supervisor.ask_to_stop()
            code = await asyncio.wait_for(run, 20)
        assert code == 0
