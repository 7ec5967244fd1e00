"""How long requests wait, by the way they are sent to workers: a simulation.

    python -m benchmarks.dispatch [--workers N] [--slots N] [--requests N] [--quick]

It runs the very functions with which the gateway chooses a worker. Nothing is started and nothing
listens. With more than 1,000 workers the ways that look at each of them for every request, one
gateway among them, are left out.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import asdict
from pathlib import Path
from typing import get_args

import orjson
import psutil

from benchmarks.dispatch.affinity import measure_kept
from benchmarks.dispatch.goals import Results, goals
from benchmarks.dispatch.measure import Case, measure
from benchmarks.dispatch.plan import COMPARED_AT, Part, Plan, make_plan
from benchmarks.dispatch.report import as_text
from benchmarks.dispatch.traffic import Sizes

REQUESTS = 200_000
QUICK_REQUESTS = 2_000
MOST_WORKERS = 10_000


def main(words: Sequence[str] | None = None) -> int:
    """`words`: in place of the command line's."""
    arguments = _parser().parse_args(words)
    requests = arguments.requests or (QUICK_REQUESTS if arguments.quick else REQUESTS)
    case = Case(
        arguments.workers,
        arguments.slots,
        COMPARED_AT,
        arguments.mean_s,
        requests,
        arguments.sizes,
        arguments.seed,
    )
    results = run(make_plan(case, arguments.gateways, arguments.parts), arguments.jobs)
    print(as_text(results, case))
    if arguments.json:
        arguments.json.write_bytes(as_json(results, case))
    return 0


def run(plan: Plan, jobs: int) -> Results:
    """`jobs`: processes that work at the same time."""
    with ProcessPoolExecutor(jobs) as pool:
        by_load = pool.map(measure, plan.by_load)
        by_fleet = pool.map(measure, plan.by_fleet)
        kept = pool.map(measure_kept, plan.kept)
        return Results(list(by_load), list(by_fleet), list(kept))


def as_json(results: Results, case: Case) -> bytes:
    """An infinite bound is null, and so is none: the order is that of the table."""
    value = {
        "case": asdict(case),
        **asdict(results),
        "goals": [{**asdict(goal), "met": goal.met} for goal in goals(results)],
    }
    return orjson.dumps(value, option=orjson.OPT_INDENT_2) + b"\n"


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.dispatch", description=__doc__)
    parser.formatter_class = argparse.RawDescriptionHelpFormatter
    number = _number(1_000_000_000)
    parser.add_argument("--workers", type=_number(MOST_WORKERS), default=100, metavar="N")
    parser.add_argument("--slots", type=_number(1024), default=8, metavar="N", help="of each")
    parser.add_argument("--mean-s", type=_seconds, default=2.0, help="of service, on average")
    parser.add_argument("--sizes", choices=get_args(Sizes), default="pareto")
    parser.add_argument("--requests", type=number, metavar="N", help="for each figure")
    parser.add_argument("--gateways", type=_numbers, default=(1, 4, 16), help="as 1,4,16")
    parser.add_argument("--parts", type=_parts, default=get_args(Part), help="as loads,fleets,keys")
    parser.add_argument("--seed", type=number, default=1)
    parser.add_argument("--jobs", type=_number(256), default=psutil.cpu_count() or 1)
    parser.add_argument("--quick", action="store_true", help="a few requests of everything")
    parser.add_argument("--json", type=Path, metavar="FILE", help="the figures, for machines")
    return parser


def _number(most: int) -> Callable[[str], int]:
    def read(text: str) -> int:
        if not 1 <= int(text) <= most:
            raise argparse.ArgumentTypeError(f"between 1 and {most:,}")
        return int(text)

    return read


def _numbers(text: str) -> tuple[int, ...]:
    return tuple(sorted({_number(256)(part) for part in text.split(",")}))


def _parts(text: str) -> tuple[str, ...]:
    parts = tuple(text.split(","))
    if not set(parts) <= set(get_args(Part)):
        raise argparse.ArgumentTypeError(f"some of {', '.join(get_args(Part))}")
    return parts


def _seconds(text: str) -> float:
    if not 0.001 <= float(text) <= 3600:
        raise argparse.ArgumentTypeError("between 0.001 and 3600 seconds")
    return float(text)


if __name__ == "__main__":
    sys.exit(main())
