"""The figures as text."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence

from benchmarks.gateway.goals import Goal
from benchmarks.gateway.summary import Comparison

Row = Sequence[str]

_BESIDE = ("direct", "through", "added")
_SPEED = (
    ("", "", "", "req/s", "", "", "p50 ms", "", "", "p99 ms", "", "first ms", "added"),
    ("case", "clients", "direct", "through", "ratio", *_BESIDE, *_BESIDE, "p50", "p99"),
)
_COST = (
    ("", "", "", "", "CPU ms", "per request", "CPU µs", "per token"),
    ("case", "clients", "requests", "tokens/s", "gateway", "worker", "gateway", "worker"),
)


def speed_table(comparisons: Sequence[Comparison]) -> str:
    """Requests per second and milliseconds, beside the direct way's."""
    return table([*_SPEED, *(_speed_row(one) for one in comparisons)])


def cost_table(comparisons: Sequence[Comparison]) -> str:
    """Processor time in the processes between client and upstream."""
    return table([*_COST, *(_cost_row(one) for one in comparisons)])


def memory_lines(before: Mapping[str, int], after: Mapping[str, int]) -> str:
    lines = [
        f"{role}: {before[role] / 2**20:.1f} MiB resident before, {after[role] / 2**20:.1f} after"
        for role in before
    ]
    return "\n".join(lines)


def failure_lines(comparisons: Sequence[Comparison]) -> str:
    """What went wrong, by way; empty if nothing did."""
    wrong: Counter[str] = Counter()
    for one in comparisons:
        for way, figures in (("direct", one.direct), (one.way, one.through)):
            place = f"{way} {one.case.kind} {one.case.clients}"
            wrong.update({f"{place}: {why}": n for why, n in figures.errors.items()})
            wrong.update({f"{place}: stalled": figures.stalls} if figures.stalls else {})
    return "\n".join(f"{what}: {count}" for what, count in wrong.items())


def goal_lines(found: Sequence[Goal]) -> str:
    return "\n".join(
        f"{'met   ' if goal.met else 'MISSED'}  {goal.figure:8.3g} of at most {goal.most:g}  "
        f"{goal.words}"
        for goal in found
    )


def table(rows: Sequence[Row]) -> str:
    """Columns as wide as they need be; the first to the left, numbers to the right."""
    widths = [max(len(row[column]) for row in rows) for column in range(len(rows[0]))]
    return "\n".join(_line(row, widths) for row in rows)


def _line(row: Row, widths: Sequence[int]) -> str:
    first, *rest = row
    cells = [first.ljust(widths[0])]
    cells += [cell.rjust(width) for cell, width in zip(rest, widths[1:], strict=True)]
    return "  ".join(cells).rstrip()


def _speed_row(one: Comparison) -> Row:
    direct, through = one.direct, one.through
    return (
        f"{one.way} {one.case.kind}",
        str(one.case.clients),
        f"{direct.requests_per_s:,.0f}",
        f"{through.requests_per_s:,.0f}",
        f"{one.ratio:.2f}",
        *_added(direct.total_p50_ms, through.total_p50_ms),
        *_added(direct.total_p99_ms, through.total_p99_ms),
        f"{through.first_p50_ms - direct.first_p50_ms:.2f}",
        f"{through.first_p99_ms - direct.first_p99_ms:.2f}",
    )


def _added(direct_ms: float, through_ms: float) -> tuple[str, str, str]:
    return f"{direct_ms:.2f}", f"{through_ms:.2f}", f"{through_ms - direct_ms:.2f}"


def _cost_row(one: Comparison) -> Row:
    through = one.through
    tokens = one.case.ask.stream
    return (
        f"{one.way} {one.case.kind}",
        str(one.case.clients),
        f"{through.requests:,}",
        f"{through.tokens_per_s:,.0f}" if tokens else "-",
        _figure(through.cpu_ms_per_request, "gateway", 3),
        _figure(through.cpu_ms_per_request, "worker", 3),
        _figure(through.cpu_us_per_token, "gateway", 1) if tokens else "-",
        _figure(through.cpu_us_per_token, "worker", 1) if tokens else "-",
    )


def _figure(figures: Mapping[str, float], role: str, digits: int) -> str:
    return f"{figures[role]:.{digits}f}" if role in figures else "-"
