"""Runs the compliance tests of openresponses.org here, over HTTP and over WebSocket.

    python -m tests.contract.suites.open_responses FOLDER [BUN]

FOLDER: the repository github.com/openresponses/openresponses; its tests need `zod` 3, which may lie
in a `node_modules` above it. BUN: the program, where `bun` is not on the path. It prints how each
test ended, and ends with 1 if one failed.
"""

from __future__ import annotations

import asyncio
import json
import sys
from pathlib import Path
from subprocess import PIPE, run
from typing import Any

import anyio.to_thread

from tests.contract.suites.fleet import fleet

LIMIT_S = 120.0
MODEL = "ours"


def main() -> None:
    folder, bun = Path(sys.argv[1]), sys.argv[2] if sys.argv[2:] else "bun"
    results = asyncio.run(_run(folder.resolve(), bun))
    failed = 0
    for test in results:
        failed += test["status"] == "failed"
        why = "; ".join(test.get("errors") or ())[:400]
        sys.stdout.write(f"{test['status']:8}  {test['id']}  {why}".rstrip() + "\n")
    sys.stdout.write(f"{len(results)} tests, {failed} failed\n")
    sys.exit(failed > 0)


async def _run(folder: Path, bun: str) -> list[dict[str, Any]]:
    async with fleet() as url:
        asked = ("--base-url", url, "--api-key", "none", "--model", MODEL, "--json")
        command = [bun, "run", "bin/compliance-test.ts", *asked]
        ended = await anyio.to_thread.run_sync(
            lambda: run(command, cwd=folder, stdout=PIPE, timeout=LIMIT_S)
        )
    results: list[dict[str, Any]] = json.loads(ended.stdout)["results"]
    return results


if __name__ == "__main__":
    main()
