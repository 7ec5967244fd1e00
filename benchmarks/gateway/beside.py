"""Our gateway beside the peers', round by round."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from benchmarks.gateway.cases import Case
from benchmarks.gateway.measure import Sample
from benchmarks.gateway.summary import by_case, cpu_s_per_request, median_ratio, rate
from benchmarks.gateway.ways import DIRECT, SHORTLINE, is_ours


@dataclass(frozen=True, slots=True)
class Beside:
    """One peer in one case: medians of the rounds' own ratios."""

    case: Case
    peer: str
    rate: float
    """Our requests per second for one of theirs."""
    cpu: float
    """Our processor time for one second of theirs, for the same requests."""


def beside(samples: Sequence[Sample]) -> list[Beside]:
    """The gateway alone against every peer, wherever both were measured."""
    found = []
    for case, ways in by_case(samples):
        ours = ways.get(SHORTLINE, [])
        for peer, theirs in ways.items():
            if ours and peer != DIRECT and not is_ours(peer):
                faster = median_ratio(ours, theirs, rate)
                found.append(
                    Beside(case, peer, faster, median_ratio(ours, theirs, cpu_s_per_request))
                )
    return found
