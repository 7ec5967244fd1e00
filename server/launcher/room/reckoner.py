"""What a model claims of this machine, and what is left for it beside the claims of others."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass

import psutil

from server.core.memory.folders import folder_of
from server.core.memory.need import Need, need_of
from server.core.memory.room import Room
from server.core.settings import ModelSettings
from server.launcher.room.machine import device_of, gpus, gpus_of, room_for


@dataclass(frozen=True, slots=True)
class Claim:
    need: Need
    device: str
    gpus: frozenset[int] = frozenset()

    def meets(self, other: Claim) -> bool:
        """Whether both want the same memory."""
        if "cuda" in (self.device, other.device):
            return self.device == other.device and bool(self.gpus & other.gpus)
        return True


@dataclass(frozen=True, slots=True)
class Held:
    """A claim that was granted."""

    claim: Claim
    pid: int | None
    ready: bool


class Reckoner:
    """All of it blocks for milliseconds, and for the driver of GPUs where there are some."""

    def __init__(
        self,
        environ: Mapping[str, str],
        budget: int | None = None,
        gpus: Callable[[], list[Room]] = gpus,
    ) -> None:
        """`budget`: RAM for all models together."""
        self._environ = environ
        self._budget = budget
        self._gpus = gpus

    def claim(self, model: ModelSettings) -> Claim | None:
        """None: nobody knows what it needs, or it is not to be checked."""
        there = self._gpus() if model.device in ("auto", "cuda") else []
        device = device_of(model, there)
        most = room_for(model, device, there).total
        if self._budget is not None and device != "cuda":
            most = min(most, self._budget)
        need = need_of(model, folder_of(model.path, self._environ), device, most)
        if need is None:
            return None
        mine = gpus_of(model, len(there)) if device == "cuda" else []
        return Claim(need, device, frozenset(mine))

    def room(self, model: ModelSettings, claim: Claim, held: Iterable[Held]) -> Room:
        """What it could have, now and if it were alone."""
        there = self._gpus() if claim.device == "cuda" else []
        room = room_for(model, claim.device, there)
        rivals = [one for one in held if one.claim.meets(claim)]
        free = room.free - sum(map(_still_to_come, rivals))
        if self._budget is None or claim.device == "cuda":
            return Room(free, room.total)
        left = self._budget - sum(one.claim.need.total for one in rivals)
        return Room(min(free, left), min(room.total, self._budget))


def _still_to_come(held: Held) -> int:
    """Of what was granted, what is not taken yet. Of a GPU only the driver knows who has what."""
    if held.claim.device == "cuda":
        return 0 if held.ready else held.claim.need.total
    return max(0, held.claim.need.total - _resident(held.pid))


def _resident(pid: int | None) -> int:
    try:
        return int(psutil.Process(pid).memory_info().rss) if pid is not None else 0
    except psutil.Error:
        return 0
