"""What Chromium's own trace says of a page's main thread."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

CATEGORIES = ["toplevel", "devtools.timeline"]
_TASK = "ThreadControllerImpl::RunTask"
_MAIN = "CrRendererMain"


def longest_cpu_ms(events: Sequence[Mapping[str, Any]]) -> float:
    """Processor time of the longest task of a renderer's main thread."""
    mains = {
        (event["pid"], event["tid"])
        for event in events
        if event["name"] == "thread_name" and event["args"]["name"] == _MAIN
    }
    tasks = (
        event.get("tdur", 0)
        for event in events
        if event["name"] == _TASK and (event["pid"], event["tid"]) in mains
    )
    return max(tasks, default=0) / 1000
