"""How the workers have done for one gateway: `GET /shortline/stats/own`, gateway to gateway; and
where one request is: `GET /shortline/queue/ID`.

What all gateways of a fleet know together is at `GET /shortline/stats`, for the app server.
"""

from __future__ import annotations

from pydantic import BaseModel, ConfigDict


class WorkerStats(BaseModel):
    model_config = ConfigDict(frozen=True, extra="ignore")

    in_flight: int = 0
    served: int = 0
    failed: int = 0
    breaker: str = "closed"
    times: tuple[tuple[float, float], ...] = ()
    """Seconds to the first byte and to the last one, of the last requests."""


class Place(BaseModel):
    """Of a request that has no answer yet."""

    model_config = ConfigDict(frozen=True, extra="ignore")

    position: int
    """How many must end before a slot is free for it; 0: none, a worker is on it, unless"""
    loading: bool = False
    """its model is being loaded, and it waits for that."""
    done: float | None = None
    """Of the weights, the share that is there, while they are read."""


class GatewayStats(BaseModel):
    model_config = ConfigDict(frozen=True, extra="ignore")

    workers: dict[str, WorkerStats] = {}
    """By address."""
