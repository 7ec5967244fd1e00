"""The figures as text."""

from __future__ import annotations

from collections.abc import Sequence

from benchmarks.dispatch.affinity import Kept
from benchmarks.dispatch.goals import Results, goals, ideal_of
from benchmarks.dispatch.measure import Case, Measured
from benchmarks.gateway.report import Row, goal_lines, table


def as_text(results: Results, case: Case) -> str:
    parts = [
        f"{case.workers:,} workers with {case.slots} slots; {case.requests:,} requests for each "
        f"figure, {case.requests / case.per_s:,.0f} s of them at a load of {case.load:g}; "
        f"{case.sizes} sizes, {case.mean_s:g} s on average\n"
        "slowdown: time from arrival to end, in times of service",
        load_table(results.by_load) if results.by_load else "",
        fleet_table(results.by_fleet) if results.by_fleet else "",
        kept_table(results.kept) if results.kept else "",
        goal_lines(goals(results)),
    ]
    return "\n\n".join(part for part in parts if part)


def load_table(measured: Sequence[Measured]) -> str:
    """Slowdowns by load, beside the ideal's."""
    loads = sorted({one.case.load for one in measured})
    rows: list[Row] = [
        ("slowdown", *_over("p50", loads), *_over("p99", loads), *_over("p99 / ideal", loads)),
        ("at a load of", *[f"{load:g}" for load in loads] * 3),
    ]
    for name in dict.fromkeys(one.way.name for one in measured):
        own = sorted((m for m in measured if m.way.name == name), key=lambda m: m.case.load)
        rows.append(
            (
                name,
                *(f"{one.figures.p50:.2f}" for one in own),
                *(_slowdown(one.figures.p99) for one in own),
                *(_slowdown(one.figures.p99 / ideal_of(one, measured)) for one in own),
            )
        )
    return table(rows)


def fleet_table(measured: Sequence[Measured]) -> str:
    """Slowdown p99 by slots and mean size."""
    names = list(dict.fromkeys(one.way.name for one in measured))
    rows: list[Row] = [(f"p99 at {measured[0].case.load:g}", "mean s", *names)]
    for case in dict.fromkeys(one.case for one in measured):
        own = {one.way.name: one.figures.p99 for one in measured if one.case == case}
        slots = f"{case.slots} slot{'s' if case.slots > 1 else ''}"
        rows.append((slots, f"{case.mean_s:g}", *(_slowdown(own[name]) for name in names)))
    return table(rows)


def kept_table(kept: Sequence[Kept]) -> str:
    """Affinity: how often a key finds its own worker, and what that costs."""
    rows: list[Row] = [("keys", "gateways", "affinity", "at their own worker", "p50", "p99")]
    for one in kept:
        ask, figures = one.ask, one.figures
        rows.append(
            (
                ask.keys,
                str(ask.gateways),
                ask.rule,
                f"{one.at_home:.0%}",
                f"{figures.p50:.2f}",
                _slowdown(figures.p99),
            )
        )
    return table(rows)


def _over(words: str, columns: Sequence[float]) -> list[str]:
    return [words, *[""] * (len(columns) - 1)]


def _slowdown(figure: float) -> str:
    return f"{figure:.2f}" if figure < 100 else f"{figure:,.0f}"
