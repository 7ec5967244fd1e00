"""What the app server's chat costs, beside the same question put to the gateway.

    python -m benchmarks.chat [--rounds R] [--quick] [--json FILE]

Loopback only; starts and ends its own processes. Exits with 1 after an answer that was not whole,
never because of a figure.
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

from benchmarks.chat.asks import ask_app, ask_gateway, ask_peer
from benchmarks.chat.bench import Bench
from benchmarks.chat.cost import measure_costs
from benchmarks.chat.crowd import measure_crowds, measure_following
from benchmarks.chat.latency import measure_latency
from benchmarks.chat.plan import FULL, QUICK, Plan
from benchmarks.chat.report import as_text
from benchmarks.chat.results import Results, goals
from benchmarks.chat.share import measure_shares
from benchmarks.chat.stack import ChatStack
from benchmarks.chat.ways import APP, GATEWAY, PEER, Way
from benchmarks.gateway.messages import Listening
from benchmarks.gateway.process import ProcessError, running

START_S = 15.0


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
        f"{plan.rounds} rounds, ways interleaved; {psutil.cpu_count()} cores, shared with the load "
        f"generator and the upstream; load average {load:.1f} at the end\n"
    )
    print(as_text(results))
    if arguments.json:
        arguments.json.write_bytes(as_json(results, plan, load))
    return 1 if results.errors else 0


async def run(plan: Plan) -> Results:
    async with AsyncExitStack() as exits:
        folder = Path(exits.enter_context(tempfile.TemporaryDirectory(prefix="bench-")))
        upstream = await exits.enter_async_context(
            running("upstream", "benchmarks.gateway.upstream", folder)
        )
        address = Listening.model_validate_json(await upstream.hear(START_S)).address
        load = await exits.enter_async_context(running("load", "benchmarks.chat.load", folder))
        stack = ChatStack(address, folder, exits)
        processes = await stack.start()
        app, app_url = await stack.open_app(exits)
        peer, peer_url = await stack.open_peer()
        bench = Bench(load, {**processes, APP: app, PEER: peer})
        ways = (
            Way(GATEWAY, ask_gateway, stack.gateway_url),
            Way(APP, ask_app, app_url),
            Way(PEER, ask_peer, peer_url),
        )
        return await _measure(bench, ways, stack, plan)


async def _measure(bench: Bench, ways: tuple[Way, ...], stack: ChatStack, plan: Plan) -> Results:
    latency = await measure_latency(bench, ways, plan)
    costs = await measure_costs(bench, ways, plan)
    crowds = await measure_crowds(bench, ways, plan)
    following, followed = await measure_following(bench, stack, plan)
    shares, shared = await measure_shares(bench, stack, plan)
    return Results(
        firsts=latency.firsts,
        costs=costs.costs,
        crowds=crowds.crowds,
        following=following,
        shares=shares,
        seen=[*latency.seen, *costs.seen, *crowds.seen, followed, *shared],
    )


def as_json(results: Results, plan: Plan, load: float) -> bytes:
    value = {
        "cores": psutil.cpu_count(),
        "load": load,
        "python": sys.version.split()[0],
        "rounds": plan.rounds,
        "first_token": [asdict(first) for first in results.firsts],
        "cost": [asdict(cost) for cost in results.costs],
        "crowds": [asdict(crowd) for crowd in results.crowds],
        "following": asdict(results.following),
        "shares": [{**asdict(one), "langchain": one.langchain} for one in results.shares],
        "errors": results.errors,
        "goals": [{**asdict(goal), "met": goal.met} for goal in goals(results)],
    }
    return orjson.dumps(value, option=orjson.OPT_INDENT_2) + b"\n"


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.chat", description=__doc__)
    parser.formatter_class = argparse.RawDescriptionHelpFormatter
    parser.add_argument("--rounds", type=int, choices=range(1, 101), metavar="R")
    parser.add_argument("--quick", action="store_true", help="a little of everything")
    parser.add_argument("--json", type=Path, metavar="FILE", help="the figures, for machines")
    return parser


if __name__ == "__main__":
    sys.exit(main())
