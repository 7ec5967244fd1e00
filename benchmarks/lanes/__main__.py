"""What lanes do: interactive requests beside a worker full of batch work.

    python -m benchmarks.lanes [--rounds R] [--quick] [--json FILE]

A worker with the bundled model and four slots, loopback only; starts and ends its own processes.
Exits with 1 after an answer that was not whole, never because of a figure.
"""

from __future__ import annotations

import argparse
import asyncio
import os
import sys
import tempfile
from contextlib import AsyncExitStack
from dataclasses import asdict, replace
from pathlib import Path

import orjson
import psutil

from benchmarks.gateway.process import ProcessError
from benchmarks.lanes.asks import Asker
from benchmarks.lanes.measure import FULL, QUICK, Plan, Rounds
from benchmarks.lanes.report import as_text
from benchmarks.lanes.results import Results, goals, percentile
from benchmarks.lanes.stack import MODEL, SLOTS, start_worker


def main() -> int:
    arguments = _parser().parse_args()
    plan = QUICK if arguments.quick else FULL
    plan = replace(plan, rounds=arguments.rounds or plan.rounds)
    try:
        results = asyncio.run(run(plan))
    except ProcessError as error:
        print(error, file=sys.stderr)
        return 1
    load = os.getloadavg()[0]
    print(
        f"{plan.rounds} rounds, interleaved; {SLOTS} slots; {psutil.cpu_count()} cores, shared "
        f"with the clients; load average {load:.1f} at the end\n"
    )
    print(as_text(results))
    if arguments.json:
        arguments.json.write_bytes(as_json(results, plan, load))
    return 1 if results.errors else 0


async def run(plan: Plan) -> Results:
    async with AsyncExitStack() as exits:
        folder = Path(exits.enter_context(tempfile.TemporaryDirectory(prefix="bench-")))
        address, secret = await start_worker(folder, exits)
        asker = Asker(address, secret, MODEL.name)
        exits.callback(asker.close)
        return await Rounds(asker, plan).run()


def as_json(results: Results, plan: Plan, load: float) -> bytes:
    kinds = {"idle": results.idle, "without": results.without, "beside": results.beside}
    value = {
        "cores": psutil.cpu_count(),
        "load": load,
        "python": sys.version.split()[0],
        "rounds": plan.rounds,
        "first_ms": {
            name: {f"p{round(100 * p)}": percentile(seen.firsts_ms, p) for p in (0.5, 0.95, 0.99)}
            for name, seen in kinds.items()
        },
        "step_ms": results.step_ms,
        "batch_per_s": {"alone": results.alone.per_s, "beside": results.shared.per_s},
        "cancelled": results.cancelled,
        "late": results.late,
        "errors": results.errors,
        "goals": [{**asdict(goal), "met": goal.met} for goal in goals(results)],
    }
    return orjson.dumps(value, option=orjson.OPT_INDENT_2) + b"\n"


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.lanes", description=__doc__)
    parser.formatter_class = argparse.RawDescriptionHelpFormatter
    parser.add_argument("--rounds", type=int, choices=range(1, 101), metavar="R")
    parser.add_argument("--quick", action="store_true", help="a little, without the flood")
    parser.add_argument("--json", type=Path, metavar="FILE", help="the figures, for machines")
    return parser


if __name__ == "__main__":
    sys.exit(main())
