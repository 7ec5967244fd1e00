"""The processes there are many of load what they need: a library costs each of them megabytes."""

from __future__ import annotations

import subprocess
import sys

import pytest

SERVING = {
    "annotated_types", "click", "httptools", "orjson", "pydantic", "pydantic_core",
    "typing_extensions", "typing_inspection", "uvicorn", "uvloop",
}  # fmt: skip
"""click comes with uvicorn, and websockets with a gateway's first socket."""


@pytest.mark.parametrize(
    ("process", "more"),
    [
        ("server.controller", set()),
        ("server.gateway", {"prometheus_client"}),
        ("server.worker.online", set()),
    ],
)
def test_a_process_loads_no_library_but_those_it_serves_with(process: str, more: set[str]) -> None:
    program = (
        "import sys\n"
        "before = set(sys.modules)\n"
        f"import {process}.__main__\n"
        "tops = {name.partition('.')[0] for name in set(sys.modules) - before}\n"
        "tops -= sys.stdlib_module_names | {'server'}\n"
        "print(*sorted(n for n in tops if n[0] != '_' and getattr(sys.modules[n], '__file__', 0)))"
    )
    shown = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=True
    )
    assert set(shown.stdout.split()) == SERVING | more
