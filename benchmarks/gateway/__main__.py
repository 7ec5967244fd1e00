"""What the gateway costs: direct calls of an upstream against the way through it, and through
those of others.

    python -m benchmarks.gateway [--seconds S] [--rounds R] [--clients 1,16,64,256] [--quick]
                                 [--online] [--gateways N]
                                 [--peers vllm-router sglang-router litellm fastchat]
    python -m benchmarks.gateway --soak [N]

Loopback only; starts and ends its own processes. Exits with 1 after an error or a stall of ours,
never because of a figure.
"""

from __future__ import annotations

import argparse
import asyncio
import sys
from dataclasses import asdict
from pathlib import Path

import orjson
import psutil

from benchmarks.gateway import peers
from benchmarks.gateway.cases import Plan, make_plan
from benchmarks.gateway.environment import HOME
from benchmarks.gateway.goals import failures, goals, stalls
from benchmarks.gateway.messages import Frozen
from benchmarks.gateway.process import ProcessError
from benchmarks.gateway.report import (
    beside_table,
    cost_table,
    failure_lines,
    goal_lines,
    left_out_lines,
    process_lines,
    speed_table,
)
from benchmarks.gateway.results import Results
from benchmarks.gateway.run import prepare, run, run_soak
from benchmarks.gateway.soak import soak_goals, soak_text

SOAK = 100_000


def main() -> int:
    arguments = _parser().parse_args()
    try:
        return _soak(arguments) if arguments.soak else _compare(arguments)
    except ProcessError as error:
        print(error, file=sys.stderr)
        return 1


def _compare(arguments: argparse.Namespace) -> int:
    plan = make_plan(
        arguments.clients,
        arguments.seconds or (0.2 if arguments.quick else 2.0),
        arguments.rounds or (1 if arguments.quick else 3),
        quick=arguments.quick,
    )
    prepared = prepare(arguments.peers, arguments.peer_home)
    found = asyncio.run(run(plan, prepared, online=arguments.online, gateways=arguments.gateways))
    print(as_text(found, plan))
    if arguments.json:
        arguments.json.write_bytes(as_json(found, plan))
    return 1 if failures(found.comparisons) or stalls(found.comparisons) else 0


def _soak(arguments: argparse.Namespace) -> int:
    soaked = asyncio.run(run_soak(arguments.soak))
    print(soak_text(soaked))
    if arguments.json:
        arguments.json.write_bytes(_json({**asdict(soaked), "goals": soak_goals(soaked)}))
    return 1 if soaked.failures else 0


def as_text(found: Results, plan: Plan) -> str:
    parts = [
        f"{plan.rounds} rounds of {plan.seconds:g} s for each way and case, interleaved; "
        f"{psutil.cpu_count()} cores, shared with the load generator and the upstream",
        speed_table(found.comparisons),
        cost_table(found.comparisons),
        beside_table(found.beside),
        process_lines(found),
        failure_lines(found.comparisons),
        left_out_lines(found.left_out),
        goal_lines(goals(found)),
    ]
    return "\n\n".join(part for part in parts if part)


def as_json(found: Results, plan: Plan) -> bytes:
    value = {
        "cores": psutil.cpu_count(),
        "python": sys.version.split()[0],
        "seconds": plan.seconds,
        "rounds": plan.rounds,
        **asdict(found),
        "goals": [{**asdict(goal), "met": goal.met} for goal in goals(found)],
    }
    return _json(value)


def _json(value: dict[str, object]) -> bytes:
    return orjson.dumps(value, option=orjson.OPT_INDENT_2, default=Frozen.model_dump) + b"\n"


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.gateway", description=__doc__)
    parser.formatter_class = argparse.RawDescriptionHelpFormatter
    parser.add_argument("--seconds", type=_seconds, help="of each measurement")
    parser.add_argument("--rounds", type=int, choices=range(1, 101), metavar="R")
    parser.add_argument("--clients", type=_numbers, default=(1, 16, 64, 256), help="as 1,16,64")
    parser.add_argument("--quick", action="store_true", help="a few requests of everything")
    parser.add_argument("--online", action="store_true", help="also through an online worker")
    parser.add_argument(
        "--gateways",
        type=int,
        choices=range(1, 17),
        default=1,
        metavar="N",
        help="also through N gateways on one port, and what they can do more than one",
    )
    parser.add_argument(
        "--peers",
        nargs="+",
        default=[],
        choices=peers.names(),
        metavar="PEER",
        help=f"any of {', '.join(peers.names())}; installed on first use",
    )
    parser.add_argument(
        "--peer-home",
        type=Path,
        default=HOME,
        metavar="DIR",
        help="where their environments are kept (default: %(default)s)",
    )
    parser.add_argument(
        "--soak",
        type=_soaking,
        nargs="?",
        const=SOAK,
        metavar="N",
        help=f"only this: N requests (default {SOAK:,}) and what they do to the gateway's memory",
    )
    parser.add_argument("--json", type=Path, metavar="FILE", help="the figures, for machines")
    return parser


def _numbers(text: str) -> tuple[int, ...]:
    numbers = tuple(int(part) for part in text.split(","))
    if not all(1 <= number <= 1024 for number in numbers):
        raise argparse.ArgumentTypeError("between 1 and 1024 clients")
    return numbers


def _soaking(text: str) -> int:
    if not 1000 <= int(text) <= 10_000_000:
        raise argparse.ArgumentTypeError("between 1000 and 10,000,000 requests")
    return int(text)


def _seconds(text: str) -> float:
    if not 0.05 <= float(text) <= 60:
        raise argparse.ArgumentTypeError("between 0.05 and 60 seconds")
    return float(text)


if __name__ == "__main__":
    sys.exit(main())
