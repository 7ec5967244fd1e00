"""The figures as text."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from statistics import median
from typing import TypeVar

from benchmarks.gateway.goals import Goal
from benchmarks.gateway.report import goal_lines, table
from benchmarks.webui.long import Opened
from benchmarks.webui.page import Slow
from benchmarks.webui.stream import Streamed
from benchmarks.webui.visit import Visit

T = TypeVar("T")

FIRST_VISIT_KB = 250.0
LONGEST_TASK_MS = 100.0
SHOWN_S = 3.0
LISTED = 8


@dataclass(frozen=True, slots=True)
class Results:
    """One entry for each round; a figure is the median of the rounds."""

    visits: Sequence[Visit]
    streamed: Sequence[Streamed]
    opened: Sequence[Opened]


def goals(results: Results) -> list[Goal]:
    chars = results.streamed[0].chars
    messages = results.opened[0].messages
    return [
        Goal(
            "first visit, compressed, kB",
            _of(results.visits, lambda v: v.bytes / 1e3),
            FIRST_VISIT_KB,
        ),
        Goal(
            f"longest task while {chars:,} characters are streamed, CPU ms",
            _of(results.streamed, lambda s: s.slow.longest_cpu_ms),
            LONGEST_TASK_MS,
        ),
        Goal(
            f"from navigation to the last of {messages} messages, s",
            _of(results.opened, lambda o: o.shown_ms / 1e3),
            SHOWN_S,
        ),
    ]


def as_text(results: Results) -> str:
    return "\n\n".join((_weights(results.visits[0]), _speeds(results), goal_lines(goals(results))))


def _weights(visit: Visit) -> str:
    parts = sorted(visit.bytes_by_path.items(), key=lambda item: -item[1])
    rows = [("first visit", "kB compressed"), *((path, f"{n / 1e3:.1f}") for path, n in parts)]
    rest = sum(n for _, n in parts[LISTED:]) / 1e3
    listed = rows[: LISTED + 1] + ([("others", f"{rest:.1f}")] if len(parts) > LISTED else [])
    return table([*listed, ("all", f"{visit.bytes / 1e3:.1f}")])


def _speeds(results: Results) -> str:
    streamed, opened = results.streamed, results.opened
    rows = [
        ("ms, median of the rounds", "after", "longest task", "its CPU", "longest gap", "gap p95")
    ]
    rows.append(
        (
            "start page, usable",
            f"{_of(results.visits, lambda v: v.usable_ms):.0f}",
            "-",
            "-",
            "-",
            "-",
        )
    )
    rows.append(
        (
            f"{streamed[0].chars:,} characters streamed, end shown late by",
            f"{_of(streamed, lambda s: s.late_ms):.0f}",
            *_slow([one.slow for one in streamed]),
        )
    )
    rows.append(
        (
            f"the last of {opened[0].messages} messages in view",
            f"{_of(opened, lambda o: o.shown_ms):.0f}",
            *_slow([one.slow for one in opened]),
        )
    )
    rows.append(
        (
            "then the first of them",
            f"{_of(opened, lambda o: o.to_the_top_ms):.0f}",
            *_slow([one.slow_to_the_top for one in opened]),
        )
    )
    return table(rows)


def _slow(rounds: Sequence[Slow]) -> tuple[str, str, str, str]:
    return (
        f"{_of(rounds, lambda s: s.longest_task_ms):.0f}",
        f"{_of(rounds, lambda s: s.longest_cpu_ms):.0f}",
        f"{_of(rounds, lambda s: s.longest_gap_ms):.0f}",
        f"{_of(rounds, lambda s: s.gap_p95_ms):.0f}",
    )


def _of(rounds: Sequence[T], figure: Callable[[T], float]) -> float:
    return median(figure(one) for one in rounds)
