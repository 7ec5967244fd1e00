"""What the app server knows of the fleet at one moment: plain values."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from server.wire.browser import Latency
from server.wire.fleet import FleetView, WorkerView
from server.wire.launcher import ChildState, LauncherState

_REPLICA = re.compile(r"#\d+$")


@dataclass(frozen=True, slots=True)
class Traffic:
    """What the gateway has sent to one worker."""

    in_flight: int | None = None
    served: int | None = None
    failed: int | None = None
    latency: Latency | None = None


@dataclass(frozen=True, slots=True)
class Known:
    launcher: LauncherState | None = None
    """None: there is no launcher, or its file makes no sense."""
    view: FleetView | None = None
    """As the controller said it last."""
    traffic: Mapping[str, Traffic] = field(default_factory=dict)
    """By worker address."""
    listed: Mapping[str, Listed] = field(default_factory=dict)
    """What the gateway offers, where there is no controller to ask."""
    mute: frozenset[str] = frozenset()
    """Models that were seen to have no chat; it is remembered while their workers are down."""
    memory: Mapping[int, int] = field(default_factory=dict)
    """Bytes by pid; of a process that is gone there is none."""
    faults: Mapping[str, str] = field(default_factory=dict)
    """What does not answer, and in words why."""

    @property
    def workers(self) -> tuple[WorkerView, ...]:
        return self.view.workers if self.view else ()

    def seeing(self, view: FleetView) -> Known:
        seen = {name for w in view.workers for name in w.models}
        chat = {name for w in view.workers for name in w.models if "chat" in w.abilities_of(name)}
        return replace(self, view=view, mute=(self.mute | seen) - chat)


@dataclass(frozen=True, slots=True)
class Listed:
    """One model of `GET /v1/models`."""

    abilities: tuple[str, ...]
    context_length: int | None


def read_listed(models: Iterable[Mapping[str, Any]]) -> dict[str, Listed]:
    """Servers that are not ours say no abilities; their models are taken for chat models."""
    found = {}
    for model in models:
        name, length = model.get("id"), model.get("context_length")
        abilities = model.get("abilities", ["chat"])
        if isinstance(name, str) and isinstance(abilities, list):
            found[name] = Listed(
                tuple(a for a in abilities if isinstance(a, str)),
                length if isinstance(length, int) else None,
            )
    return found


def model_of(child: ChildState) -> str | None:
    """The model that a child serves once it is up, if its name says so."""
    if child.role != "model_worker":
        return None
    return _REPLICA.sub("", child.name.removeprefix("model_worker "))
