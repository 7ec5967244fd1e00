"""The figures as text."""

from __future__ import annotations

from collections.abc import Sequence

from benchmarks.lanes.asks import Seen
from benchmarks.lanes.results import Goal, Results, goals, percentile

_HEAD = ("first words of a question, ms", "p50", "p95", "times idle", "gap p50")


def as_text(results: Results) -> str:
    parts = [
        _first_words(results),
        f"one decode step: {results.step_ms:.2f} ms; batch work: {results.alone.per_s:.0f} "
        f"pieces/s alone, {results.shared.per_s:.0f} beside one interactive client",
        f"{results.cancelled} requests were hung up on, {results.late} tokens came after that",
        "\n".join(f"{why}: {count}" for why, count in results.errors.items()),
        "\n".join(_goal_line(goal) for goal in goals(results)),
    ]
    return "\n\n".join(part for part in parts if part)


def _first_words(results: Results) -> str:
    rows = [
        _HEAD,
        _row("idle", results, results.idle),
        _row("beside the crowd, no lanes", results, results.without),
        _row("beside the crowd, in its lane", results, results.beside),
    ]
    widths = [max(len(row[column]) for row in rows) for column in range(len(_HEAD))]
    return "\n".join(_line(row, widths) for row in rows)


def _row(name: str, results: Results, seen: Seen) -> tuple[str, ...]:
    p50, p95 = (percentile(seen.firsts_ms, share) for share in (0.5, 0.95))
    times = p50 / (percentile(results.idle.firsts_ms, 0.5) or 1.0)
    return (
        name,
        f"{p50:.1f}",
        f"{p95:.1f}",
        f"{times:.2f}",
        f"{percentile(seen.gaps_ms, 0.5):.1f}",
    )


def _line(row: Sequence[str], widths: Sequence[int]) -> str:
    first, *rest = row
    cells = [cell.rjust(width) for cell, width in zip(rest, widths[1:], strict=True)]
    return "  ".join([first.ljust(widths[0]), *cells])


def _goal_line(goal: Goal) -> str:
    said = "met   " if goal.met else "MISSED"
    bound = "at least" if goal.at_least else "at most"
    return f"{said}  {goal.figure:8.3g} of {bound} {goal.bound:g}  {goal.words}"
