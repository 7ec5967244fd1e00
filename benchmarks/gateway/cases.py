"""What is measured: kinds of requests, at numbers of clients."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import cycle

from benchmarks.gateway.messages import Ask

WHOLE = "whole"
STREAM = "stream"
PACED = "paced"
PACED_CLIENTS = 64
MAX_REQUESTS = 200_000
SOAK_CLIENTS = 64
SOAK_BATCH = 1000
_SOAK_BATCH_S = 60.0


@dataclass(frozen=True, slots=True)
class Case:
    kind: str
    ask: Ask
    clients: int
    seconds: float
    """Of each measurement: this case on one way, once. No request starts later."""
    requests: int = MAX_REQUESTS
    """Of each measurement, at most."""


@dataclass(frozen=True, slots=True)
class Plan:
    cases: tuple[Case, ...]
    rounds: int
    seconds: float


def make_plan(clients: Sequence[int], seconds: float, rounds: int, *, quick: bool) -> Plan:
    whole = Ask(events=64)
    stream = Ask(stream=True, events=128, burst=16)
    cases = [Case(WHOLE, whole, number, seconds) for number in clients]
    cases += [Case(STREAM, stream, number, seconds) for number in clients]
    cases.append(_paced(seconds, events=10 if quick else 50))
    return Plan(tuple(cases), rounds, seconds)


def _paced(seconds: float, *, events: int) -> Case:
    """Each token comes alone. As many whole streams as fit, because with a few long requests the
    last one to start before the end would decide the rate."""
    ask = Ask(stream=True, events=events, every_ms=20.0)
    stream_s = ask.events * ask.every_ms / 1000
    requests = PACED_CLIENTS * max(1, round(seconds / stream_s))
    return Case(PACED, ask, PACED_CLIENTS, seconds + stream_s, requests)


def soak_cases(requests: int) -> Iterator[Case]:
    """`requests` in all, a batch of whole answers and one of streams in turn."""
    asks = cycle([Ask(events=64), Ask(stream=True, events=32, burst=16)])
    while requests > 0:
        batch = min(SOAK_BATCH, requests)
        yield Case("soak", next(asks), SOAK_CLIENTS, _SOAK_BATCH_S, batch)
        requests -= batch
