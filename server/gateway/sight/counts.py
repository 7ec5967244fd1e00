"""Plain counters: what a request that has ended adds to them costs about a microsecond.

The Prometheus library's own take a lock for every number, so it only writes these down
(`metrics.py`).
"""

from __future__ import annotations

from bisect import bisect_left
from collections import Counter, defaultdict
from collections.abc import Callable, Container, Iterable
from typing import Final

from server.gateway.sight.record import Record
from server.wire.lanes import LANES
from server.wire.sight import Ended, Outcome, SeriesNumbers, Spread

FIRST_BYTE_BOUNDS_S: Final = (
    0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0,
)  # fmt: skip
WHOLE_BOUNDS_S: Final = (
    0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 20.0, 40.0, 60.0, 120.0, 300.0,
    600.0,
)  # fmt: skip
OTHER: Final = "other"
"""A model that does not exist here: clients must not be able to make new series."""
MAX_MODELS: Final = 512
MAX_ENDS: Final = 128
"""Ways to end that are told apart in one series."""

Ends = dict[tuple[Outcome, int, str], int]


class Times:
    """How often a time fell between two bounds."""

    __slots__ = ("bounds", "counts", "sum_s")

    def __init__(self, bounds: tuple[float, ...]) -> None:
        self.bounds = bounds
        self.counts = [0] * (len(bounds) + 1)
        self.sum_s = 0.0

    def add(self, seconds: float) -> None:
        self.counts[bisect_left(self.bounds, seconds)] += 1
        self.sum_s += seconds

    def spread(self) -> Spread:
        return Spread(counts=tuple(self.counts), sum_s=self.sum_s)


class Series:
    """The requests for one model in one lane."""

    __slots__ = (
        "attempts", "completion_tokens", "ends", "failures", "first_byte", "lane", "model",
        "prompt_tokens", "retries", "whole",
    )  # fmt: skip

    def __init__(self, model: str, lane: str) -> None:
        self.model = model
        self.lane = lane
        self.ends: Ends = {}
        self.first_byte = Times(FIRST_BYTE_BOUNDS_S)
        self.whole = Times(WHOLE_BOUNDS_S)
        self.prompt_tokens: dict[str, int] = defaultdict(int)  # a Counter adds more slowly
        self.completion_tokens: dict[str, int] = defaultdict(int)
        self.attempts = 0
        self.retries = 0
        self.failures: dict[str, int] = {}

    def count(self, record: Record, ended_at: float) -> None:
        end = (record.outcome, record.status, record.code)
        try:
            self.ends[end] += 1
        except KeyError:
            note_end(self.ends, end)
        if record.outcome == "complete":
            self.whole.add(ended_at - record.began)
        if record.stream and record.first_byte_at is not None:
            self.first_byte.add(record.first_byte_at - record.began)
        used = record.usage
        if used is not None:
            self.prompt_tokens[used.origin] += used.prompt_tokens
            self.completion_tokens[used.origin] += used.completion_tokens
        tries = record.tries
        self.attempts += tries
        if tries > 1:
            self.retries += tries - 1

    def fail(self, trouble: str) -> None:
        """One attempt came to nothing."""
        self.failures[trouble] = self.failures.get(trouble, 0) + 1

    def numbers(self, in_flight: int) -> SeriesNumbers:
        return SeriesNumbers(
            model=self.model,
            lane=self.lane,
            in_flight=in_flight,
            ended=ends_of(self.ends),
            first_byte=self.first_byte.spread(),
            whole=self.whole.spread(),
            prompt_tokens=dict(self.prompt_tokens),
            completion_tokens=dict(self.completion_tokens),
            attempts=self.attempts,
            retries=self.retries,
            failures=dict(self.failures),
        )


class Counts:
    """`models`: those that clients can ask for now, aliases included."""

    def __init__(self, models: Callable[[], Container[str]]) -> None:
        self._models = models
        self._series: dict[tuple[str, str], Series] = {}
        self._known: set[str] = {OTHER}
        self.refused: Ends = {}

    def of(self, model: str, lane: str) -> Series:
        try:
            return self._series[model, lane]
        except KeyError:
            return self._open(model, lane)

    def _open(self, model: str, lane: str) -> Series:
        if model not in self._known:
            if len(self._known) >= MAX_MODELS or model not in self._models():
                model = OTHER
            self._known.add(model)
        lane = lane if lane in LANES else OTHER
        series = self._series.get((model, lane))
        if series is None:
            series = self._series[model, lane] = Series(model, lane)
        return series

    def refuse(self, status: int, code: str) -> None:
        """A request that never came as far as a model."""
        note_end(self.refused, ("http_error", status, code))

    def numbers(self, running: Iterable[Record] = ()) -> tuple[SeriesNumbers, ...]:
        """`running`: the requests that have not ended; each is in flight in its series."""
        in_flight = Counter(record.series for record in running)
        return tuple(series.numbers(in_flight[series]) for series in self._series.values())


def note_end(ends: Ends, end: tuple[Outcome, int, str]) -> None:
    """Count it, under `OTHER` when there are too many ways to end already."""
    if end not in ends and len(ends) >= MAX_ENDS:
        end = (end[0], 0, OTHER)
    ends[end] = ends.get(end, 0) + 1


def ends_of(ends: Ends) -> tuple[Ended, ...]:
    return tuple(
        Ended(outcome=outcome, status=status, code=code, count=count)
        for (outcome, status, code), count in ends.items()
    )
