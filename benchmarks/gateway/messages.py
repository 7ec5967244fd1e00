"""What the benchmark's own processes say to each other: one line of JSON each way."""

from __future__ import annotations

from pydantic import BaseModel, ConfigDict


class Frozen(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class Ask(Frozen):
    """What one request wants of the fake upstream."""

    stream: bool = False
    events: int = 1
    """Tokens, each an event of its own when streamed."""
    burst: int = 1
    """Events sent at once."""
    every_ms: float = 0.0
    """Between bursts; 0: as fast as they can be written."""

    def unpaced(self) -> Ask:
        return self.model_copy(update={"every_ms": 0.0})


class Job(Frozen):
    """One measurement for the load generator."""

    url: str
    """`http://host:port`"""
    ask: Ask
    clients: int
    seconds: float
    """No request starts later; those under way end."""
    warm: int = 2
    """Requests of each client before the clock starts."""
    max_requests: int
    exact: bool = True
    """False: this way may write the upstream's answer anew, so only its shape is checked."""
    key: str = ""
    """Sent as `Authorization: Bearer …`."""
    stall_s: float = 5.0
    """An answer of which no byte has come for so long is given up."""


class Ready(Frozen):
    """Connected and warm; a line with `go` starts the clock."""

    ready: bool = True


class Tally(Frozen):
    """What a job has seen."""

    seconds: float
    requests: int
    tokens: int
    total_us: tuple[int, ...]
    """From the request to the end of its answer, one for each request."""
    first_us: tuple[int, ...]
    """From the request to the first byte of the answer's body, which is a stream's first event."""
    errors: dict[str, int]
    stalls: int
    """Answers given up because no byte came for `Job.stall_s`."""


class Listening(Frozen):
    """The fake upstream's first line."""

    address: str
