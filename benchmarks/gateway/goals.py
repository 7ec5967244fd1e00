"""What the gateway promises, as figures of one run."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from math import fsum, inf

from benchmarks.gateway.beside import Beside
from benchmarks.gateway.cases import PACED, STREAM, WHOLE
from benchmarks.gateway.results import Results
from benchmarks.gateway.summary import Comparison, Figures
from benchmarks.gateway.ways import DIRECT, GATEWAY, ONLINE, SHORTLINE, WORKER, is_ours

ADDED_FIRST_MS = 0.5
"""Median, one client, streaming."""
ADDED_FIRST_P99_MS = 5.0
"""At 64 paced streams."""
CPU_MS_PER_REQUEST = 0.10
"""Non-streaming, 64 clients."""
CPU_US_PER_TOKEN = 6.0
"""In bursts, 64 clients."""
READY_S = 1.5
RESIDENT_MB = 60.0
CROWD = 64
ROUTER = "vllm-router"
ROUTER_CLIENTS = (16, 64, 256)
SHARE_OF_EACH = 0.85
"""Of several gateways, of what it could do alone: 1.7 for two."""
TIMES = {"fastchat": 25.0, "litellm": 60.0}
"""By how much the gateway surpasses them, in requests per second or in processor time."""


@dataclass(frozen=True, slots=True)
class Goal:
    words: str
    figure: float
    most: float = inf
    least: float = -inf

    @property
    def met(self) -> bool:
        return self.least <= self.figure <= self.most

    @property
    def bound(self) -> str:
        return f"at most {self.most:g}" if self.least == -inf else f"at least {self.least:g}"


def goals(results: Results) -> list[Goal]:
    """Those that this run has measured."""
    found = [goal for one in results.comparisons for goal in _of_ours(one)]
    found += [goal for one in results.beside for goal in _of_peer(one)]
    found += _of_several(results.comparisons)
    if SHORTLINE in results.ready_s:
        words = "from the start of the gateway's process to its report that it is ready, s"
        found.append(Goal(words, results.ready_s[SHORTLINE], READY_S))
    resident = results.resident_after.get(f"{SHORTLINE} {GATEWAY}")
    if resident is not None:
        found.append(Goal("the gateway's resident memory, MB", resident / 1e6, RESIDENT_MB))
    found.append(Goal("errors in the whole run", failures(results.comparisons), 0))
    found.append(Goal("stalls in the whole run", stalls(results.comparisons), 0))
    return found


def failures(comparisons: Sequence[Comparison]) -> int:
    """Requests that were not answered completely; those of peers are their own affair."""
    return sum(figures.failures for figures in _own(comparisons))


def stalls(comparisons: Sequence[Comparison]) -> int:
    return sum(figures.stalls for figures in _own(comparisons))


def _own(comparisons: Sequence[Comparison]) -> Iterator[Figures]:
    found = {(DIRECT, one.case): one.direct for one in comparisons}
    found |= {(one.way, one.case): one.through for one in comparisons if is_ours(one.way)}
    yield from found.values()


def _of_ours(one: Comparison) -> Iterator[Goal]:
    through, direct = one.through, one.direct
    place = (one.case.kind, one.case.clients)
    if one.way == SHORTLINE:
        yield from _of_cost(one, GATEWAY)
        if place == (STREAM, 1):
            added_ms = through.first_p50_ms - direct.first_p50_ms
            words = "added time to first token at one client, p50, ms"
            yield Goal(words, added_ms, ADDED_FIRST_MS)
        if place == (PACED, CROWD):
            added_ms = through.first_p99_ms - direct.first_p99_ms
            words = f"added time to first token at {CROWD} paced streams, p99, ms"
            yield Goal(words, added_ms, ADDED_FIRST_P99_MS)
    if one.way == ONLINE:
        yield from _of_cost(one, WORKER)


def _of_cost(one: Comparison, role: str) -> Iterator[Goal]:
    place = (one.case.kind, one.case.clients)
    if place == (WHOLE, CROWD):
        words = f"CPU of the {role} per non-streaming request, {CROWD} clients, ms"
        yield Goal(words, one.through.cpu_ms_per_request.get(role, 0.0), CPU_MS_PER_REQUEST)
    if place == (STREAM, CROWD):
        words = f"CPU of the {role} per token in bursts, {CROWD} clients, µs"
        yield Goal(words, one.through.cpu_us_per_token.get(role, 0.0), CPU_US_PER_TOKEN)


def _of_several(comparisons: Sequence[Comparison]) -> Iterator[Goal]:
    """By processor time: the load generator and the upstream leave two cores no room for two."""
    cost_ms: dict[str, list[float]] = {
        one.way: [cost for role, cost in one.through.cpu_ms_per_request.items() if GATEWAY in role]
        for one in comparisons
        if (one.case.kind, one.case.clients) == (WHOLE, CROWD)
    }
    for way, costs in cost_ms.items():
        alone, together = fsum(cost_ms[SHORTLINE]), fsum(costs)
        if len(costs) > 1 and together:
            times = len(costs) * alone / together
            words = f"{way}: what {len(costs)} gateways can do for a core each, times one"
            yield Goal(words, times, least=SHARE_OF_EACH * len(costs))


def _of_peer(one: Beside) -> Iterator[Goal]:
    kind, clients = one.case.kind, one.case.clients
    if one.peer == ROUTER and kind == WHOLE and clients in ROUTER_CLIENTS:
        yield Goal(f"requests/s for one of {ROUTER}'s, {clients} clients", one.rate, least=1)
    if one.peer == ROUTER and kind == PACED:
        yield Goal(f"CPU per paced token for one of {ROUTER}'s", one.cpu, 1)
    if one.peer in TIMES and (kind, clients) == (WHOLE, CROWD):
        times = max(one.rate, 1 / one.cpu if one.cpu else 0.0)
        words = f"times {one.peer}'s requests/s, or its CPU, {CROWD} clients"
        yield Goal(words, times, least=TIMES[one.peer])
