"""Who asks when, for how much work: the same requests for every way of one seed and load."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from math import exp, log
from random import Random
from typing import Final, Literal

Sizes = Literal["pareto", "lognormal", "exponential"]
Draw = Callable[[], float]

SHAPE: Final = 1.5
"""Of the Pareto distribution: the square of its coefficient of variation is about 10 here."""
SPAN: Final = 1000.0
"""The longest of its requests, in shortest ones."""
SPREAD: Final = 1.5
"""Standard deviation of the logarithm of a lognormal size."""


def draw_sizes(sizes: Sizes, mean_s: float, random: Random) -> Draw:
    """Each call draws the seconds of service that one request needs."""
    return _DRAWS[sizes](mean_s, random)


def arrivals(
    number: int, per_s: float, size: Draw, random: Random
) -> Iterator[tuple[float, float]]:
    """A Poisson process: when each of `number` requests arrives, and its size, in seconds."""
    at_s = 0.0
    uniform = random.random
    for _ in range(number):
        at_s -= log(1.0 - uniform()) / per_s
        yield at_s, size()


def _pareto(mean_s: float, random: Random) -> Draw:
    """Bounded: between the shortest and `SPAN` times as much."""
    tail = SPAN**-SHAPE
    mean = SHAPE / (SHAPE - 1) * (1 - SPAN ** (1 - SHAPE)) / (1 - tail)
    shortest_s = mean_s / mean
    uniform, power = random.random, -1 / SHAPE
    return lambda: shortest_s * (1.0 - uniform() * (1.0 - tail)) ** power


def _lognormal(mean_s: float, random: Random) -> Draw:
    middle_s = mean_s * exp(-SPREAD * SPREAD / 2)
    return lambda: middle_s * exp(random.gauss(0.0, SPREAD))


def _exponential(mean_s: float, random: Random) -> Draw:
    return lambda: random.expovariate(1 / mean_s)


_DRAWS: Final[dict[Sizes, Callable[[float, Random], Draw]]] = {
    "pareto": _pareto,
    "lognormal": _lognormal,
    "exponential": _exponential,
}
