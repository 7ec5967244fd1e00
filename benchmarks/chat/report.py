"""The figures as text."""

from __future__ import annotations

from collections.abc import Sequence

from benchmarks.chat.cost import Cost
from benchmarks.chat.crowd import Crowd, Following
from benchmarks.chat.latency import FirstToken
from benchmarks.chat.results import Results, goals
from benchmarks.chat.share import Share
from benchmarks.chat.ways import GATEWAY
from benchmarks.gateway.report import goal_lines, table

SMALL = 0.005
"""Shares below it are not listed."""


def as_text(results: Results) -> str:
    parts = [
        first_table(results.firsts),
        cost_table(results.costs),
        crowd_table(results.crowds),
        following_line(results.following),
        share_lines(results.shares),
        "\n".join(f"{what}: {count}" for what, count in results.errors.items()),
        goal_lines(goals(results)),
    ]
    return "\n\n".join(part for part in parts if part)


def first_table(firsts: Sequence[FirstToken]) -> str:
    rows = [
        ("time to first token", "requests", "gateway", "this way", "added", "gateway", "added"),
        ("one client, ms", "", "p50", "p50", "p50", "p95", "p95"),
    ]
    rows += [
        (
            f"{first.way}, {first.place}",
            str(first.requests),
            f"{first.direct_p50_ms:.2f}",
            f"{first.p50_ms:.2f}",
            f"{first.added_p50_ms:.2f}",
            f"{first.direct_p95_ms:.2f}",
            f"{first.added_p95_ms:.2f}",
        )
        for first in firsts
    ]
    return table(rows)


def cost_table(costs: Sequence[Cost]) -> str:
    """Each beside the gateway's own cost."""
    gateway = next(cost for cost in costs if cost.way == GATEWAY)
    rows = [
        ("CPU of the process", "questions", "a question", "token, paced", "", "token, fast", ""),
        ("facing the client", "a second", "ms", "µs", "ratio", "µs", "ratio"),
    ]
    rows += [
        (
            cost.way,
            f"{cost.questions_per_s:.0f}",
            f"{cost.question_ms:.2f}",
            f"{cost.paced_us:.0f}",
            _ratio(cost.paced_us, gateway.paced_us),
            f"{cost.fast_us:.1f}",
            _ratio(cost.fast_us, gateway.fast_us),
        )
        for cost in costs
    ]
    frames = ", ".join(f"{cost.way} {cost.paced_frames:.2f}" for cost in costs)
    return f"{table(rows)}\nevents that a client gets for each paced token: {frames}"


def crowd_table(crowds: Sequence[Crowd]) -> str:
    rows = [
        ("streams at once", "streams", "whole", "first ms", "", "last ms late", "cores"),
        ("", "", "", "p50", "p95", "p95", ""),
    ]
    rows += [
        (
            crowd.way,
            str(crowd.streams),
            str(crowd.whole),
            f"{crowd.first_p50_ms:.1f}",
            f"{crowd.first_p95_ms:.1f}",
            f"{crowd.late_p95_ms:.1f}",
            f"{crowd.cores:.2f}",
        )
        for crowd in crowds
    ]
    return table(rows)


def following_line(following: Following) -> str:
    return (
        f"{following.readers} readers of one answer: {following.whole} whole, "
        f"{following.bytes_each / 1024:.1f} KiB resident each, "
        f"{following.cpu_us:.0f} µs of CPU for each token of each reader"
    )


def share_lines(shares: Sequence[Share]) -> str:
    return "\n".join(_share_line(share) for share in shares)


def _share_line(share: Share) -> str:
    whole = sum(share.seconds.values()) or 1.0
    parts = sorted(share.seconds.items(), key=lambda item: -item[1])
    rest = ", ".join(f"{name} {s / whole:.0%}" for name, s in parts if s / whole >= SMALL)
    return f"{share.kind}: LangChain has {share.langchain:.1%} of the CPU ({rest})"


def _ratio(mine: float, theirs: float) -> str:
    return f"{mine / theirs:.1f}" if theirs else "-"
