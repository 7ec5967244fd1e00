"""The figures as text."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

from benchmarks.gateway.beside import Beside
from benchmarks.gateway.cases import Case
from benchmarks.gateway.goals import Goal
from benchmarks.gateway.results import Results
from benchmarks.gateway.summary import Comparison, Figures
from benchmarks.gateway.ways import DIRECT

Row = Sequence[str]

_SPEED = (
    ("", "", "of", "ms", "", "added ms", "", "to first", "byte"),
    ("", "req/s", "direct", "p50", "p99", "p50", "p99", "p50", "p99"),
)
_COST = (
    ("", "", "", "CPU ms", "CPU µs", ""),
    ("", "requests", "tokens/s", "a request", "a token", "by process"),
)
_BESIDE = (("shortline beside", "requests/s, times theirs", "CPU, times theirs"),)


def speed_table(comparisons: Sequence[Comparison]) -> str:
    """Requests per second and milliseconds, each case's direct way first."""
    rows: dict[str, Row] = {}
    for one in comparisons:
        rows.setdefault(_place(one.case, DIRECT), _direct_row(one.case, one.direct))
        rows[_place(one.case, one.way)] = _speed_row(one)
    return table([*_SPEED, *rows.values()])


def cost_table(comparisons: Sequence[Comparison]) -> str:
    """Processor time of all processes between client and upstream, and of each."""
    return table([*_COST, *(_cost_row(one) for one in comparisons)])


def beside_table(found: Sequence[Beside]) -> str:
    """The gateway alone beside its peers; empty if there were none."""
    rows = [(_place(one.case, one.peer), f"{one.rate:.2f}", f"{one.cpu:.3f}") for one in found]
    return table([*_BESIDE, *rows]) if rows else ""


def process_lines(results: Results) -> str:
    before, after = results.resident_before, results.resident_after
    memory = [
        f"{role}: {before[role] / 1e6:.1f} MB resident before, {after[role] / 1e6:.1f} after"
        for role in before
    ]
    ready = [f"{way}: ready after {seconds:.2f} s" for way, seconds in results.ready_s.items()]
    return "\n".join([*memory, *ready])


def left_out_lines(left_out: Mapping[str, str]) -> str:
    return "\n".join(f"left out: {peer} {why}" for peer, why in left_out.items())


def failure_lines(comparisons: Sequence[Comparison]) -> str:
    """What went wrong, by way; empty if nothing did."""
    found = {_place(one.case, one.way): one.through for one in comparisons}
    found |= {_place(one.case, DIRECT): one.direct for one in comparisons}
    return "\n".join(line for place, figures in found.items() for line in _wrong(place, figures))


def goal_lines(found: Sequence[Goal]) -> str:
    return "\n".join(
        f"{'met   ' if goal.met else 'MISSED'}  {goal.figure:8.3g} of {goal.bound}  {goal.words}"
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


def _place(case: Case, way: str) -> str:
    return f"{case.kind:<6} {case.clients:>3}  {way}"


def _wrong(place: str, figures: Figures) -> Iterator[str]:
    for why, count in figures.errors.items():
        yield f"{place}: {why}: {count}"
    if figures.stalls:
        yield f"{place}: stalled: {figures.stalls}"


def _direct_row(case: Case, figures: Figures) -> Row:
    times = (f"{figures.total_p50_ms:.2f}", f"{figures.total_p99_ms:.2f}")
    return (_place(case, DIRECT), f"{figures.requests_per_s:,.0f}", "", *times, "", "", "", "")


def _speed_row(one: Comparison) -> Row:
    direct, through = one.direct, one.through
    return (
        _place(one.case, one.way),
        f"{through.requests_per_s:,.0f}",
        f"{one.ratio:.2f}",
        f"{through.total_p50_ms:.2f}",
        f"{through.total_p99_ms:.2f}",
        f"{through.total_p50_ms - direct.total_p50_ms:.2f}",
        f"{through.total_p99_ms - direct.total_p99_ms:.2f}",
        f"{through.first_p50_ms - direct.first_p50_ms:.2f}",
        f"{through.first_p99_ms - direct.first_p99_ms:.2f}",
    )


def _cost_row(one: Comparison) -> Row:
    through = one.through
    tokens = one.case.ask.stream
    by_role = through.cpu_us_per_token if tokens else through.cpu_ms_per_request
    digits = 1 if tokens else 3
    return (
        _place(one.case, one.way),
        f"{through.requests:,}",
        f"{through.tokens_per_s:,.0f}" if tokens else "-",
        f"{sum(through.cpu_ms_per_request.values()):.3f}",
        f"{sum(through.cpu_us_per_token.values()):.1f}" if tokens else "-",
        ", ".join(f"{role} {cost:.{digits}f}" for role, cost in by_role.items()),
    )
