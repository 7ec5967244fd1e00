"""What the load generator is told and what it answers: one line of JSON each way."""

from __future__ import annotations

from typing import Literal

from benchmarks.gateway.messages import Frozen

Speech = Literal["openai", "app", "peer"]
"""How a way's stream is to be read."""


class Target(Frozen):
    """One kind of request on one way."""

    name: str
    url: str
    """`http://host:port`"""
    path: str
    body: str = ""
    """JSON; empty: a GET."""
    speech: Speech
    text: str
    """The whole answer; anything else is an error."""


class Job(Frozen):
    """Every client asks all targets in turn, `requests` times."""

    targets: tuple[Target, ...]
    clients: int = 1
    requests: int = 1
    spread_s: float = 0.0
    """Over which the clients begin: streams in step would have all tokens at one instant."""


class Seen(Frozen):
    """All requests to one target."""

    name: str
    first_us: tuple[int, ...]
    """From the request to the first byte of the answer's body, which is a stream's first event."""
    total_us: tuple[int, ...]
    frames: int
    """Events with text in them; fewer than tokens where several came together."""
    errors: dict[str, int]


class Tally(Frozen):
    seconds: float
    seen: tuple[Seen, ...]
