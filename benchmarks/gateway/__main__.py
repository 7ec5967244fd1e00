"""What the gateway costs: direct calls of an upstream against the way through it.

    python -m benchmarks.gateway [--seconds S] [--rounds R] [--clients 1,16,64] [--quick]

Loopback only; starts and ends its own processes. Exits with 1 after an error or a stall, never
because of a figure.
"""

from __future__ import annotations

import argparse
import asyncio
import sys
import tempfile
from contextlib import AsyncExitStack
from dataclasses import asdict
from pathlib import Path

import orjson
import psutil

from benchmarks.gateway.cases import Plan, make_plan
from benchmarks.gateway.goals import failures, goals, stalls
from benchmarks.gateway.measure import Measured, measure
from benchmarks.gateway.messages import Listening
from benchmarks.gateway.process import ProcessError, running
from benchmarks.gateway.report import (
    cost_table,
    failure_lines,
    goal_lines,
    memory_lines,
    speed_table,
)
from benchmarks.gateway.summary import Comparison, compare
from benchmarks.gateway.ways import WAYS

START_S = 15.0


def main() -> int:
    arguments = _parser().parse_args()
    plan = make_plan(
        arguments.clients,
        arguments.seconds or (0.2 if arguments.quick else 2.0),
        arguments.rounds or (1 if arguments.quick else 3),
        quick=arguments.quick,
    )
    try:
        measured = asyncio.run(run(plan))
    except ProcessError as error:
        print(error, file=sys.stderr)
        return 1
    comparisons = compare(measured.samples)
    print(as_text(measured, comparisons, plan))
    if arguments.json:
        arguments.json.write_bytes(as_json(measured, comparisons, plan))
    return 1 if failures(comparisons) or stalls(comparisons) else 0


async def run(plan: Plan) -> Measured:
    async with AsyncExitStack() as exits:
        logs = Path(exits.enter_context(tempfile.TemporaryDirectory(prefix="bench-")))
        upstream = await exits.enter_async_context(
            running("upstream", "benchmarks.gateway.upstream", logs)
        )
        address = Listening.model_validate_json(await upstream.hear(START_S)).address
        load = await exits.enter_async_context(running("load", "benchmarks.gateway.load", logs))
        ways = [await opened(address, logs, exits) for opened in WAYS.values()]
        return await measure(plan, ways, load, upstream)


def as_text(measured: Measured, comparisons: list[Comparison], plan: Plan) -> str:
    parts = [
        f"{plan.rounds} rounds of {plan.seconds:g} s for each way and case, interleaved; "
        f"{psutil.cpu_count()} cores, shared with the load generator and the upstream",
        speed_table(comparisons),
        cost_table(comparisons),
        memory_lines(measured.resident_before, measured.resident_after),
        failure_lines(comparisons),
        goal_lines(goals(comparisons)),
    ]
    return "\n\n".join(part for part in parts if part)


def as_json(measured: Measured, comparisons: list[Comparison], plan: Plan) -> bytes:
    value = {
        "cores": psutil.cpu_count(),
        "python": sys.version.split()[0],
        "seconds": plan.seconds,
        "rounds": plan.rounds,
        "resident_before": measured.resident_before,
        "resident_after": measured.resident_after,
        "comparisons": [
            {**asdict(one), "case": {**asdict(one.case), "ask": one.case.ask.model_dump()}}
            for one in comparisons
        ],
        "goals": [{**asdict(goal), "met": goal.met} for goal in goals(comparisons)],
    }
    return orjson.dumps(value, option=orjson.OPT_INDENT_2) + b"\n"


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.gateway", description=__doc__)
    parser.formatter_class = argparse.RawDescriptionHelpFormatter
    parser.add_argument("--seconds", type=_seconds, help="of each measurement")
    parser.add_argument("--rounds", type=int, choices=range(1, 101), metavar="R")
    parser.add_argument("--clients", type=_numbers, default=(1, 16, 64), help="as 1,16,64")
    parser.add_argument("--quick", action="store_true", help="a few requests of everything")
    parser.add_argument("--json", type=Path, metavar="FILE", help="the figures, for machines")
    return parser


def _numbers(text: str) -> tuple[int, ...]:
    numbers = tuple(int(part) for part in text.split(","))
    if not all(1 <= number <= 1024 for number in numbers):
        raise argparse.ArgumentTypeError("between 1 and 1024 clients")
    return numbers


def _seconds(text: str) -> float:
    if not 0.05 <= float(text) <= 60:
        raise argparse.ArgumentTypeError("between 0.05 and 60 seconds")
    return float(text)


if __name__ == "__main__":
    sys.exit(main())
