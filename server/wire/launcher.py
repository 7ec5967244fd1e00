"""What the launcher writes down for others to read: its children and how they are.

No secret ever stands in it.
"""

from __future__ import annotations

from typing import Literal

from pydantic import BaseModel, ConfigDict

ChildStatus = Literal[
    "waiting", "starting", "loading", "ready", "backoff", "quarantined", "stopping", "stopped",
    "asleep",
]  # fmt: skip
"""`stopped`: on purpose, by an operator or because everything stops; `asleep`: its model is loaded
when it is asked for."""


Routing = Literal["", "ready", "suspect", "draining", "absent"]
"""What the controller says of a worker; `absent`: it does not list it. Empty: it is not known."""


class Frozen(BaseModel):
    model_config = ConfigDict(frozen=True, extra="ignore")


class ChildState(Frozen):
    name: str
    role: str
    status: ChildStatus = "waiting"
    detail: str = ""
    """What is being loaded, or why it last failed."""
    done: float | None = None
    """Of what is being loaded, the share that is there."""
    missing: str = ""
    """What it waits for though it runs: a provider that is not there, a controller that refuses
    it."""
    routing: Routing = ""
    pid: int | None = None
    created: float | None = None
    """When its process started, seconds since 1970: tells it from a later one with its pid."""
    address: str | None = None
    path: str = ""
    """Of a model whose weights an operator has swapped: where they are,"""
    instead_of: str = ""
    """and where the settings say that they are."""
    since: float = 0.0
    """Seconds since 1970: when it came into this status."""
    restarts: int = 0


class LauncherState(Frozen):
    pid: int
    created: float
    version: str
    home: str
    log_folder: str
    drain_s: float
    controller_url: str | None = None
    fleet: str = ""
    """Names it, and is no secret: `fleet_id`."""
    phase: Literal["starting", "running", "stopping"] = "starting"
    children: tuple[ChildState, ...] = ()
