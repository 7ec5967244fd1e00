"""What a gateway tells of its requests: one of them explained, and its counts of all of them.

    launcher -> GET /shortline/requests/{id}   Explained
    gateway  -> GET /shortline/numbers         GatewayNumbers

Both take the fleet's secret. The first also takes what `reading_key` makes of it, so that the
secret itself never lies on a disk.
"""

from __future__ import annotations

from typing import Final, Literal

from pydantic import BaseModel, ConfigDict, SecretStr

from server.core.secrets import derived

Outcome = Literal["complete", "http_error", "error_event", "cancelled"]
"""How a request ended, exactly one of them."""
Origin = Literal["reported", "estimated", "corrected"]
"""Of a number of tokens. `reported`: by the worker. `estimated`: it said nothing, so they were
counted here. `corrected`: what it said made no sense, and was replaced by such a count."""
READING_HEADER: Final = "x-shortline-reading-key"


def reading_key(secret: SecretStr) -> SecretStr:
    """Opens `GET /shortline/requests/…` and nothing else; the secret does not follow from it."""
    return SecretStr(derived(secret, "shortline reading key"))


class Frozen(BaseModel):
    model_config = ConfigDict(
        frozen=True,
        extra="ignore",
        defer_build=True,  # most gateways are never asked
    )


class SeenCandidate(Frozen):
    """A worker as it was when one was chosen."""

    address: str
    mine: int
    """Requests that this gateway had there."""
    others: int
    slots: int
    speed: float
    wait: float
    """Requests there, one more counted, for each unit of throughput."""


class ExplainedAttempt(Frozen):
    """One worker that was asked. Times are seconds since the request came."""

    at_s: float
    address: str
    model: str
    of: int
    """Candidates that there were; `candidates` names some of them, the chosen one first."""
    candidates: tuple[SeenCandidate, ...] = ()
    failed_s: float | None = None
    trouble: str = ""
    """Why it failed, in one word: `refused`, `lost`, `late`, `failed`, `denied`, `full`."""
    cause: str = ""


class ExplainedUsage(Frozen):
    prompt_tokens: int
    completion_tokens: int
    origin: Origin


class ExplainedNote(Frozen):
    """What seldom happens, in words."""

    at_s: float
    words: str


class Explained(Frozen):
    request_id: str
    gateway: str
    path: str
    method: str = "POST"
    model: str
    """As the client named it; empty: it was refused before anybody looked for one."""
    served_model: str
    """The one that was asked last; empty: none was."""
    key: str
    """The id of the key that was used; empty: none."""
    lane: str
    stream: bool
    began_at: float
    """Seconds since 1970."""
    state: Literal["running", Outcome]
    status: int
    """HTTP's, as the client saw it; 0: it saw none."""
    code: str
    """Of an error."""
    field: str = ""
    """What in the request was wrong, where that is known and the code does not say it."""
    notes: tuple[ExplainedNote, ...] = ()
    """The client's own time limit, models that were passed over, why it was sent nowhere, a stream
    that went on elsewhere."""
    admitted_s: float | None
    """Limits let it in; like the other times in seconds since it came, None: not (yet)."""
    first_byte_s: float | None
    whole_s: float | None
    attempts: tuple[ExplainedAttempt, ...] = ()
    tries: int = 0
    """Attempts in all; of very many not all are kept."""
    retry_refused: bool = False
    """Another worker was there, but the budget for retries was spent."""
    usage: ExplainedUsage | None = None
    trace_id: str = ""
    same_id: int = 0
    """Other requests that carried this id: clients may choose theirs. This is the latest."""


class Ended(Frozen):
    """How many requests ended in one way."""

    outcome: Outcome
    status: int
    code: str
    count: int


class Spread(Frozen):
    """How often a time fell between two bounds; the last count is that of all beyond."""

    counts: tuple[int, ...]
    sum_s: float


class SeriesNumbers(Frozen):
    """Of one model in one lane."""

    model: str
    lane: str
    in_flight: int
    ended: tuple[Ended, ...] = ()
    first_byte: Spread
    whole: Spread
    prompt_tokens: dict[str, int] = {}
    """By origin, like `completion_tokens`."""
    completion_tokens: dict[str, int] = {}
    attempts: int = 0
    retries: int = 0
    failures: dict[str, int] = {}
    """Attempts that failed, by trouble."""


class WorkerNumbers(Frozen):
    """One worker as a gateway sees it, by a name that outlives its process."""

    name: str
    addresses: tuple[str, ...]
    """Where it is reached; workers of one name are added up."""
    models: tuple[str, ...]
    state: str
    """`gone`: it was here; only what was counted still means anything."""
    breaker: str
    in_flight: int
    """This gateway's own requests there, like `served` and `failed`."""
    served: int
    failed: int
    running: int
    """Of all gateways, as the worker said, like all below."""
    waiting: dict[str, int]
    """By lane."""
    slots: int
    queue: int
    cancelled: int | None = None
    """None: it does not say, like those below."""
    tokens_after_cancel: int | None = None
    generated_tokens: int | None = None


class GatewayNumbers(Frozen):
    gateway: str
    """No two gateways of a fleet have the same."""
    series: tuple[SeriesNumbers, ...] = ()
    refused: tuple[Ended, ...] = ()
    """Requests that never came as far as a model, and what was no HTTP."""
    retries_refused: int = 0
    spans_dropped: int = 0
    workers: tuple[WorkerNumbers, ...] = ()
    process: dict[str, float] = {}
    """CPU, memory and descriptors, by the name of the metric."""
