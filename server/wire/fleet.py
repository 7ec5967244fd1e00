"""What workers, controller, gateways and launcher tell one another about the fleet.

    worker   -> POST /fleet/register   Registration     -> Registered
    worker   -> POST /fleet/beat       Beat             -> Registered (known=False: register anew)
    worker   -> POST /fleet/leave      WorkerRef
    operator -> POST /fleet/drain      WorkerRef        nothing new is sent there
    operator -> POST /fleet/resume     WorkerRef        after a drain
    gateway  -> POST /fleet/close      Close            it demands keys, so shall you
    launcher -> POST /fleet/lost       WorkerRef        its process has ended
    launcher -> POST /fleet/dismiss  Dismissal        an operator has let it leave for good
    launcher -> POST /fleet/rest       Rest             models that it loads when they are asked for
    gateway  -> POST /fleet/wake       Wake             one of them is asked for
    anyone   -> GET  /fleet             FleetView        now
    anyone   -> GET  /fleet/events     FleetView, one a line, at once and after every change
    gateway  -> the same with `LOADS_HEADER`: Loads where nothing else has changed

All of them carry the header `SECRET_HEADER`. `VERSION` changes when an old peer would misread.
"""

from __future__ import annotations

from typing import Annotated, Final, Literal

from pydantic import BaseModel, ConfigDict, Field, SecretStr

from server.core.limits import HEARTBEAT_S
from server.core.secrets import derived
from server.wire.lanes import Lane

VERSION: Final = 1
SECRET_HEADER: Final = "x-shortline-secret"
GATEWAY_HEADER: Final = "x-shortline-gateway"
"""Names the gateway that sent a request, so that a worker can report whose requests it has."""
CUSTOMER_HEADER: Final = "x-shortline-customer"
"""To a worker: whose request it is, so that it can serve its customers in turn; an id that says
nothing of them. To a gateway: the same from our app server, of its own users; from nobody else."""
GATEWAY_ADDRESS_HEADER: Final = "x-shortline-gateway-address"
"""Of a gateway's subscription: where the other gateways reach it and nobody else."""
LOADS_HEADER: Final = "x-shortline-loads"
"""Of a subscription, with any value: loads that change are wanted alone, and soon."""
FLEET_HEADER: Final = "x-shortline-fleet"
"""Of a question for models by a worker that speaks for a server: which fleet asks (`fleet_id`). A
gateway of that fleet refuses, and one of another fleet leaves out what it has from other fleets, so
that requests can go in no circle."""
TRANSLATED_HEADER: Final = "x-shortline-translated"
"""To a worker, with any value: the gateway has made this chat of another API's request, so nobody
wrote its fields as they are."""
DEADLINE_HEADER: Final = "x-shortline-deadline-ms"
"""To a worker: milliseconds that are left for a request; by then it has ended, with an error."""


def fleet_id(secret: SecretStr) -> str:
    """Names a fleet; the secret does not follow from it."""
    return derived(secret, "shortline fleet id")[:32]


Protocol = Literal["openai", "fastchat"]
Ability = Literal["chat", "completions", "embeddings", "rerank", "vision"]
"""What a worker can be asked for; `vision`: its chat takes images."""
State = Literal["ready", "suspect", "draining"]


Count = Annotated[int, Field(ge=0, le=2**53 - 1)]
"""What every reader of JSON can hold."""


class Frozen(BaseModel):
    model_config = ConfigDict(frozen=True, extra="ignore", allow_inf_nan=False)


class WorkerRef(Frozen):
    address: str
    """`http://host:port`, without a path."""
    generation: str = ""
    """New at each start of a worker; an old one's words are not believed."""


class Close(Frozen):
    """FastChat's reading paths, by which models can be asked too, demand the secret from now on."""


class Dismissal(Frozen):
    name: Annotated[str, Field(min_length=1, max_length=500)]
    """Of a process, as in its `Registration`: its models are not coming back."""


class Resting(Frozen):
    """A model without a worker, which gets one when it is asked for."""

    model: str
    state: Literal["asleep", "loading"] = "asleep"
    detail: str = ""
    """While it loads: how far it is, in words,"""
    done: float | None = None
    """and of its weights, the share that is there."""
    trouble: str = ""
    """Why it could not be loaded when it was last asked for."""
    retry: bool = False
    """After trouble: whether it is tried again when it is asked for now."""
    abilities: tuple[Ability, ...] = ()
    """Empty: nobody knows yet, like the next."""
    context_length: Count | None = None
    places: Count = 32
    """Requests that may wait for it at each gateway."""


class Rest(Frozen):
    """Said again with every heartbeat; a launcher that is silent wakes nobody."""

    launcher: str
    """New at each start of one."""
    models: tuple[Resting, ...] = ()
    """All of them."""


class Wake(Frozen):
    """Said again with every heartbeat, while somebody waits for it."""

    model: Annotated[str, Field(max_length=500)]


class Load(Frozen):
    running: Count = 0
    waiting: Count = 0
    by_gateway: dict[str, Count] = {}
    """Of those, how many each gateway sent: it knows its own better."""
    by_lane: dict[Lane, Count] = {}
    """Of those that wait, how many in each lane; a lane without any is left out."""
    cancelled: Count = 0
    """Requests whose client left or whose time was up. This and what follows: since the worker's
    start."""
    tokens_after_cancel: Count = 0
    """Made for somebody who had left; never more than one for each who left."""
    generated: Count = 0
    """Tokens in all; 0 where an online provider makes them."""
    served: Count = 0
    """Requests that had a slot, well ended or not."""


class ModelFacts(Frozen):
    """What one model of a worker has that the worker's others may not."""

    abilities: tuple[Ability, ...] = ()
    """Empty: those of the worker."""
    context_length: Count | None = None
    """None: that of the worker."""


class Registration(WorkerRef):
    version: Count = VERSION
    name: Annotated[str, Field(max_length=500)] = ""
    """Of its process, the same after a restart and at no other machine: `model_worker m@host`.
    Empty: its address is all that it is known by."""
    models: tuple[str, ...] = Field(min_length=1)
    parents: dict[str, str] = {}
    """Of those that are adapters, the model that they stand over."""
    abilities: tuple[Ability, ...] = ("chat", "completions")
    protocol: Protocol = "openai"
    kind: str = "model_worker"
    speed: float = Field(default=1.0, gt=0)
    slots: int = Field(default=1, ge=1, le=2**31)
    queue: Count = 32
    """Requests that may wait there beyond `slots`."""
    context_length: Count | None = None
    facts: dict[str, ModelFacts] = {}
    """By model: those that differ from one another in what they can do."""
    server: Annotated[str, Field(max_length=100)] = ""
    """What it speaks for, as found out by asking: `vllm 0.11.0`, `ollama 0.12.3`."""
    draining: bool = False
    """An operator wanted it to get nothing new, as its last controller said."""
    load: Load = Load()

    def abilities_of(self, model: str) -> tuple[Ability, ...]:
        own = self.facts.get(model) if self.facts else None
        return own.abilities if own is not None and own.abilities else self.abilities

    def context_of(self, model: str) -> int | None:
        own = self.facts.get(model) if self.facts else None
        return own.context_length if own is not None and own.context_length else self.context_length


class Registered(Frozen):
    known: bool
    """False: the controller does not know this worker (any more); it must register."""
    draining: bool = False
    """It gets nothing new. It remembers that for the next controller, should this one be lost."""
    beat_s: float
    """Beat at least so often,"""
    soon_s: float = HEARTBEAT_S
    """and after a change of the load, but not sooner than this after the last beat."""


class Beat(WorkerRef):
    load: Load


class WorkerView(Registration):
    """One worker as a gateway sees it."""

    state: State = "ready"

    @property
    def label(self) -> str:
        """What operators see it called."""
        return self.name or self.address


class GatewayView(Frozen):
    """One gateway process that listens to the controller."""

    id: str
    address: str


class FleetView(Frozen):
    version: int = VERSION
    controller: str = ""
    """New at each start of a controller."""
    settled: bool = True
    """False while a controller that has just started waits for its workers to come back: that a
    worker is absent means nothing yet."""
    workers: tuple[WorkerView, ...] = ()
    gateways: tuple[GatewayView, ...] = ()
    resting: tuple[Resting, ...] = ()
    wanted: tuple[str, ...] = ()
    """Of the resting, those that are asked for now."""
    dismissed: tuple[str, ...] = ()
    """Names of workers that come back no more, until they register again."""


class Loads(Frozen):
    """One line of a subscription that wants loads alone: what has changed since the last line.

    None at all is a sign of life.
    """

    loads: dict[str, Load]
    """By the worker's address."""


LOADS_START: Final = b'{"loads":'
"""How a line of `Loads` begins, and no `FleetView` does."""
