"""What is looked at of a keeper of a local model, without a process."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from server.core.settings import ModelSettings
from server.wire.launcher import ChildState


@dataclass
class Plan:
    name: str = "model_worker m"
    drains: bool = False
    model: ModelSettings | None = None


@dataclass(eq=False)
class Kept:
    status: str = "asleep"
    routing: str = ""
    detail: str = ""
    address: str | None = None
    dozes: str = ""
    waking: bool = False
    retiring: bool = False
    held: bool = False
    has_ended: bool = True
    wanted: bool = True
    is_first: bool = False
    plan: Plan = field(default_factory=Plan)
    starts: int = 0
    ended: Callable[[], None] = lambda: None
    """Its process has."""
    wishes: asyncio.Lock = field(default_factory=asyncio.Lock)

    @property
    def state(self) -> ChildState:
        said: Any = {
            "status": self.status,
            "routing": self.routing,
            "detail": self.detail,
            "address": self.address,
        }
        return ChildState(name=self.plan.name, role="model_worker", **said)

    @property
    def first(self) -> asyncio.Future[bool]:
        future: asyncio.Future[bool] = asyncio.get_running_loop().create_future()
        if not self.is_first:
            future.set_result(True)
        return future

    def start(self) -> None:
        self.starts += 1
        self.dozes = ""

    async def doze(self, why: str, limit_s: float) -> bool:
        self.status, self.address, self.dozes, self.routing = "asleep", None, why, ""
        self.ended()
        return True


def kept(name: str, settings: dict[str, Any] | None = None, **more: Any) -> Kept:
    """Of the model `name`, which is up unless `more` says otherwise."""
    model = ModelSettings(**({"name": name, "engine": "echo"} | (settings or {})))
    up: dict[str, Any] = {
        "status": "ready",
        "routing": "ready",
        "address": f"http://127.0.0.1/{name}",
    }
    if "status" in more:
        up = {}
    return Kept(**({**up, "plan": Plan(f"model_worker {name}", model=model)} | more))
