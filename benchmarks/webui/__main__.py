"""How heavy and how quick the web UI is, in a real browser in front of the running app server.

    python -m benchmarks.webui [--web FOLDER] [--rounds R] [--quick] [--json FILE]

FOLDER holds the built pages. Loopback only; starts and ends its own processes, the browser too.
Exits with 1 when the page does not show what it should, never because of a figure.
"""

from __future__ import annotations

import argparse
import asyncio
import os
import sys
import tempfile
from dataclasses import asdict
from pathlib import Path

import orjson
import psutil
from playwright.async_api import Browser
from playwright.async_api import Error as BrowserError

from benchmarks.gateway.process import ProcessError
from benchmarks.webui.long import make_long, measure_long
from benchmarks.webui.page import NotShown, browser
from benchmarks.webui.plan import FULL, QUICK, Plan
from benchmarks.webui.report import Results, as_text, goals
from benchmarks.webui.stack import served
from benchmarks.webui.stream import measure_stream
from benchmarks.webui.visit import measure_visit
from server.app.web_files import FOLDER


def main() -> int:
    arguments = _parser().parse_args()
    if not (arguments.web / "index.html").is_file():
        print(f"{arguments.web} holds no built web UI; --web says where one is", file=sys.stderr)
        return 2
    plan = QUICK if arguments.quick else FULL
    rounds = arguments.rounds or plan.rounds
    try:
        results = asyncio.run(run(arguments.web.resolve(), plan, rounds))
    except (ProcessError, NotShown, BrowserError) as error:
        print(error, file=sys.stderr)
        return 1
    load = os.getloadavg()[0]
    print(
        f"{rounds} rounds, each in a fresh profile; {psutil.cpu_count()} cores, shared by browser "
        f"and server; load average {load:.1f} at the end\n"
    )
    print(as_text(results))
    if arguments.json:
        arguments.json.write_bytes(as_json(results, load))
    return 0


async def run(web_folder: Path, plan: Plan, rounds: int) -> Results:
    with tempfile.TemporaryDirectory(prefix="bench-") as folder:
        async with served(web_folder, Path(folder)) as address, browser() as opened:
            return await _measure(opened, address, plan, rounds)


async def _measure(opened: Browser, address: str, plan: Plan, rounds: int) -> Results:
    visits, streamed, shown = [], [], []
    id = await make_long(address, plan.messages, plan.message_chars)
    for _ in range(rounds):
        visits.append(await measure_visit(opened, address))
        streamed.append(await measure_stream(opened, address, plan.script))
        shown.append(await measure_long(opened, address, id, plan.messages, plan.message_chars))
    return Results(visits, streamed, shown)


def as_json(results: Results, load: float) -> bytes:
    value = {
        "cores": psutil.cpu_count(),
        "load": load,
        **asdict(results),
        "goals": [{**asdict(goal), "met": goal.met} for goal in goals(results)],
    }
    return orjson.dumps(value, option=orjson.OPT_INDENT_2) + b"\n"


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.webui", description=__doc__)
    parser.formatter_class = argparse.RawDescriptionHelpFormatter
    parser.add_argument("--web", type=Path, default=FOLDER, metavar="FOLDER")
    parser.add_argument("--rounds", type=int, choices=range(1, 101), metavar="R")
    parser.add_argument("--quick", action="store_true", help="a little of everything")
    parser.add_argument("--json", type=Path, metavar="FILE", help="the figures, for machines")
    return parser


if __name__ == "__main__":
    sys.exit(main())
