"""Who is alive, who serves what, how long each queue is. Plain state; time is an argument."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from server.controller.addresses import check_address
from server.controller.changes import Changes
from server.controller.dismissed import Dismissed
from server.controller.fences import Fences
from server.controller.loads import Loads
from server.controller.resting import Sleepers
from server.core.clock import Clock
from server.core.errors import BadRequest, Conflict
from server.core.ids import new_id
from server.core.limits import (
    EVICT_S,
    FASTCHAT_EVICT_S,
    FASTCHAT_SUSPECT_S,
    LOADS_S,
    SETTLE_S,
    SUSPECT_S,
)
from server.wire.fleet import (
    VERSION,
    Beat,
    FleetView,
    GatewayView,
    Load,
    Protocol,
    Registration,
    Rest,
    Resting,
    State,
    WorkerRef,
    WorkerView,
)

log = logging.getLogger(__name__)

SILENCE_S: dict[Protocol, tuple[float, float]] = {
    "openai": (SUSPECT_S, EVICT_S),
    "fastchat": (FASTCHAT_SUSPECT_S, FASTCHAT_EVICT_S),
}
"""How long a worker may be silent before it is suspected, and before it is gone."""


@dataclass(slots=True)
class Entry:
    """One worker in the table."""

    view: WorkerView
    heard_at: float
    expires: bool
    handed_out: int = 0
    """How often its address was given away since it last said how busy it is."""


class Registry:
    """`changes` moves with every change that somebody must hear of, of loads now and then.

    Who wants each load hears of it from `loads`, and of all else from `members`.
    """

    def __init__(self, clock: Clock) -> None:
        self.changes = Changes()
        self.members = Changes()
        self.loads = Loads()
        self.settled = False
        self.gone: Callable[[str], None] = lambda address: None
        """Hears the address of each worker that is dropped."""
        self._id = new_id("ctl")
        self._clock = clock
        self._born_at = clock.monotonic()
        self._published_at = self._born_at
        self._loads_changed = False
        self._entries: dict[str, Entry] = {}
        self._gateways: list[GatewayView] = []
        self._fences = Fences()
        self._sleepers = Sleepers()
        self._dismissed = Dismissed()

    def register(self, new: Registration, *, expires: bool = True) -> None:
        """Take `new` in, in place of an older generation at its address.

        `expires=False`: it never beats, so its silence means nothing. Raises `BadRequest` for a
        bad address, `Conflict` for a generation of the past and for a stranger's live address.
        """
        check_address(new.address)
        if new.version != VERSION:
            raise BadRequest(
                f"This controller speaks version {VERSION} of the fleet protocol, "
                f"not {new.version}.",
                code="fleet_version",
            )
        old = self._entries.get(new.address)
        self._may_take(new, old.view if old else None)
        state: State = "draining" if new.draining else "ready"
        if old is not None and old.view.generation == new.generation:
            state = "draining" if old.view.state == "draining" else "ready"
        elif old is not None:
            self._fences.put(old.view)
        self._dismissed.welcome(new.name)
        view = WorkerView(**dict(new), state=state)
        self._entries[new.address] = Entry(view, self._clock.monotonic(), expires)
        if self._sleepers.satisfy(view.models) or old is None or old.view != view:
            log.info("worker registered", extra=_fields(view) | {"models": ",".join(view.models)})
            self._publish()

    def _may_take(self, new: Registration, old: WorkerView | None) -> None:
        if self._fences.holds(new):
            raise Conflict(
                f"This generation of the worker at {new.address} has been replaced or has left.",
                code="old_generation",
            )
        if old is None or old.state == "suspect":
            return
        if (old.protocol, old.kind) != (new.protocol, new.kind):
            raise Conflict(
                f"A live worker of another kind ({old.kind}) is at {new.address}.",
                code="address_taken",
            )

    def beat(self, beat: Beat) -> bool:
        """False: this worker, or this generation of it, is not known; it must register."""
        entry = self._entries.get(beat.address)
        if entry is None or entry.view.generation != beat.generation:
            return False
        self._hear(entry, beat.load)
        return True

    def beat_of_fastchat(self, address: str, load: Load) -> bool:
        """As `beat`, for workers that have no generation."""
        entry = self._entries.get(address)
        if entry is None or entry.view.protocol != "fastchat":
            return False
        self._hear(entry, load)
        return True

    def _hear(self, entry: Entry, load: Load) -> None:
        entry.heard_at = self._clock.monotonic()
        entry.handed_out = 0
        old = entry.view
        state: State = "ready" if old.state == "suspect" else old.state
        if load != old.load:
            self._loads_changed = True
            self.loads.put(old.address, load)
        entry.view = old.model_copy(update={"load": load, "state": state})
        if state != old.state:
            log.info("worker is back", extra=_fields(old))
            self._publish()

    def drain(self, ref: WorkerRef) -> bool:
        """Send it nothing new. False when it is not known."""
        entry = self._find(ref)
        if entry is not None and entry.view.state != "draining":
            entry.view = entry.view.model_copy(update={"state": "draining"})
            log.info("worker drains", extra=_fields(entry.view))
            self._publish()
        return entry is not None

    def drains(self, address: str) -> bool:
        entry = self._entries.get(address)
        return entry is not None and entry.view.state == "draining"

    def resume(self, ref: WorkerRef) -> bool:
        """After `drain`: send it requests again. False when it is not known."""
        entry = self._find(ref)
        if entry is not None and entry.view.state == "draining":
            entry.view = entry.view.model_copy(update={"state": "ready"})
            log.info("worker serves again", extra=_fields(entry.view))
            self._publish()
        return entry is not None

    def dismiss(self, name: str) -> None:
        """The process of that name comes back no more."""
        if self._dismissed.add(name):
            self._publish()

    def rest(self, rest: Rest) -> None:
        """A launcher says which models it loads when they are asked for."""
        if self._sleepers.rest(rest, self._clock.monotonic()):
            self._publish()

    def want(self, model: str) -> bool:
        """Somebody waits for it. False: no launcher has said that it loads it."""
        changed = self._sleepers.want(model, self._clock.monotonic())
        if changed:
            self._publish()
        return changed is not None

    def resting(self, model: str) -> Resting | None:
        """What is said of a model that has no worker and gets one when it is asked for."""
        return self._sleepers.of(model)

    def asleep(self) -> tuple[str, ...]:
        """The models that somebody can be had for, by asking."""
        return tuple(dict.fromkeys(one.model for one in self._sleepers.resting()))

    def remove(self, ref: WorkerRef, reason: str) -> bool:
        """It is gone at once, and its generation does not come back. False when not known."""
        entry = self._find(ref)
        if ref.generation:
            self._fences.put(ref)
        if entry is None:
            return False
        self._drop(entry, reason)
        return True

    def sweep(self) -> None:
        """Suspect and drop the silent, and publish what has waited. Call it often."""
        now = self._clock.monotonic()
        for entry in list(self._entries.values()):
            if entry.expires:
                self._judge(entry, now - entry.heard_at)
        if self._sleepers.sweep(now):
            self._publish()
        if not self.settled and now - self._born_at >= SETTLE_S:
            self.settled = True
            self._publish()
        if self._loads_changed and now - self._published_at >= LOADS_S:
            self._publish(members=False)

    def _judge(self, entry: Entry, silent_s: float) -> None:
        suspect_s, evict_s = SILENCE_S[entry.view.protocol]
        if silent_s >= evict_s:
            self._fences.put(entry.view)
            self._drop(entry, "worker expired")
        elif silent_s >= suspect_s and entry.view.state == "ready":
            entry.view = entry.view.model_copy(update={"state": "suspect"})
            log.warning("worker is silent", extra=_fields(entry.view) | {"silent_s": silent_s})
            self._publish()

    def forgive(self, seconds: float) -> None:
        """This controller itself was asleep for so long: nobody's silence counts."""
        for entry in self._entries.values():
            entry.heard_at += seconds
        self._sleepers.forgive(seconds)

    @contextmanager
    def listening(self, gateway: GatewayView) -> Iterator[None]:
        """A gateway is there for as long as the block lasts."""
        self._gateways.append(gateway)
        self._publish()
        try:
            yield
        finally:
            self._gateways.remove(gateway)
            self._publish()

    def count(self) -> int:
        """How many workers there are."""
        return len(self._entries)

    def view(self) -> FleetView:
        return FleetView(
            controller=self._id,
            settled=self.settled,
            workers=tuple(entry.view for entry in self._entries.values()),
            gateways=tuple({gateway.id: gateway for gateway in self._gateways}.values()),
            resting=self._sleepers.resting(),
            wanted=self._sleepers.wanted(),
            dismissed=self._dismissed.names(),
        )

    def ready(self) -> Iterator[Entry]:
        """The workers that may be sent a request."""
        return (entry for entry in self._entries.values() if entry.view.state == "ready")

    def _find(self, ref: WorkerRef) -> Entry | None:
        """A reference without a generation means whoever is at that address."""
        entry = self._entries.get(ref.address)
        if entry is None or ref.generation not in ("", entry.view.generation):
            return None
        return entry

    def _drop(self, entry: Entry, reason: str) -> None:
        del self._entries[entry.view.address]
        self.loads.drop(entry.view.address)
        log.info(reason, extra=_fields(entry.view))
        self.gone(entry.view.address)
        self._publish()

    def wake(self) -> None:
        """Let everybody who waits for a change look up without one."""
        for changes in (self.changes, self.members, self.loads.changes):
            changes.wake()

    def _publish(self, *, members: bool = True) -> None:
        """`members=False`: nothing but loads has changed."""
        self._loads_changed = False
        self._published_at = self._clock.monotonic()
        self.changes.bump()
        if members:
            self.members.bump()
            self.loads.changes.wake()


def _fields(view: WorkerView) -> dict[str, str]:
    return {"address": view.address, "generation": view.generation, "kind": view.kind}
