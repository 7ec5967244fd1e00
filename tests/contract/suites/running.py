"""Runs a suite that others wrote, in a process of its own: it brings plugins that ours knows
nothing of, and skips what it does not apply to."""

from __future__ import annotations

import os
import sys
import xml.etree.ElementTree as ET
from dataclasses import dataclass, field
from pathlib import Path
from subprocess import PIPE, STDOUT, TimeoutExpired, run

import anyio.to_thread

LIMIT_S = 600.0
_OURS = Path(__file__).parents[3]


@dataclass(slots=True)
class Outcomes:
    """Names of tests, as `module.Class::test`."""

    passed: set[str] = field(default_factory=set)
    skipped: dict[str, str] = field(default_factory=dict)
    """And why."""
    failed: dict[str, str] = field(default_factory=dict)
    """And how."""


async def run_suite(*arguments: str, report: Path, cwd: Path = _OURS, **settings: str) -> Outcomes:
    """`arguments`: of pytest; `settings`: of the environment."""
    command = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", *arguments]
    command += [f"--junitxml={report}", "-o", "addopts=", "-o", "asyncio_mode=auto"]
    told = os.environ | {"PYTHONPATH": str(_OURS)} | settings
    told.pop("CI", None)  # what may be skipped there is for whoever asks to say

    def wait() -> Outcomes:
        ended = run(command, cwd=cwd, env=told, stdout=PIPE, stderr=STDOUT, timeout=LIMIT_S)
        assert report.is_file(), ended.stdout.decode(errors="replace")
        return outcomes_in(report)

    try:
        return await anyio.to_thread.run_sync(wait)
    except TimeoutExpired as error:
        raise AssertionError(f"the suite takes more than {LIMIT_S:g} s") from error


def outcomes_in(report: Path) -> Outcomes:
    """Of a report in JUnit's XML."""
    found = Outcomes()
    for case in ET.parse(report).iter("testcase"):
        name = f"{case.get('classname')}::{case.get('name')}"
        wrong = [case.find(kind) for kind in ("failure", "error")]
        fault = next((each for each in wrong if each is not None), None)
        skipped = case.find("skipped")
        if fault is not None:
            found.failed[name] = fault.get("message") or ""
        elif skipped is not None:
            found.skipped[name] = skipped.get("message") or ""
        else:
            found.passed.add(name)
    return found
