"""What the doctor looks at in the machine: Python, packages, disk, memory, GPUs."""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
import tomllib
from collections.abc import Iterator
from importlib import metadata
from pathlib import Path

import psutil
from packaging.requirements import Requirement

from server.launcher.care.finding import Finding, ok, warn, wrong
from server.launcher.setup.installation import Installation

SUPPORTED = ((3, 11), (3, 14))
GIB = 2**30
LOW_DISK_BYTES = 2 * GIB
LOW_MEMORY_BYTES = 2 * GIB
GPU_QUERY_S = 10.0


def check_python(version: tuple[int, int] = sys.version_info[:2]) -> Iterator[Finding]:
    text = f"{version[0]}.{version[1]}, {sys.executable}"
    if SUPPORTED[0] <= version < SUPPORTED[1]:
        yield ok("python", text)
    else:
        yield wrong("python", text, "install Python 3.11, 3.12 or 3.13 and make a new environment")


def check_packages(requirements: list[str]) -> Iterator[Finding]:
    """Compares versions; nothing is imported, so that this stays quick."""
    good = 0
    for line in requirements:
        need = Requirement(line)
        if need.marker is not None and not need.marker.evaluate({"extra": ""}):
            continue
        try:
            version = metadata.version(need.name)
        except metadata.PackageNotFoundError:
            yield wrong("packages", f"{need.name} is not installed", "pip install -e .")
            continue
        if need.specifier.contains(version, prereleases=True):
            good += 1
        else:
            wanted = f"{need.name} {version} is installed, needed is {need.specifier}"
            yield wrong("packages", wanted, "pip install -e .")
    if good:
        yield ok("packages", f"{good} of the right version")


def requirements_of(installation: Installation) -> list[str]:
    pyproject = installation.code / "pyproject.toml"
    if installation.is_checkout and pyproject.is_file():
        return list(tomllib.loads(pyproject.read_text("utf-8"))["project"]["dependencies"])
    try:
        return metadata.requires("shortline") or []
    except metadata.PackageNotFoundError:
        return []


def check_space(folder: Path) -> Iterator[Finding]:
    free = shutil.disk_usage(folder).free
    text = f"{free / GIB:.1f} GiB free for {folder}"
    if free < LOW_DISK_BYTES:
        yield warn("disk", text, "make room: models, uploads and logs need it")
    else:
        yield ok("disk", text)
    memory = psutil.virtual_memory()
    text = f"{memory.available / GIB:.1f} of {memory.total / GIB:.1f} GiB available"
    if memory.available < LOW_MEMORY_BYTES:
        yield warn("memory", text, "end other programs, or choose smaller models")
    else:
        yield ok("memory", text)


def check_gpus() -> Iterator[Finding]:
    program = shutil.which("nvidia-smi")
    if program is None:
        yield ok("gpu", "none found (no nvidia-smi); models run on the CPU")
        return
    query = [program, "--query-gpu=index,name,memory.free,memory.total", "--format=csv,noheader"]
    try:
        answer = subprocess.run(
            query, capture_output=True, text=True, timeout=GPU_QUERY_S, check=True
        )
    except (OSError, subprocess.SubprocessError) as error:
        yield warn("gpu", f"nvidia-smi fails: {error}", "check the driver")
        return
    for line in answer.stdout.splitlines():
        if match := re.fullmatch(r"(\d+), (.+), (.+), (.+)", line.strip()):
            yield ok("gpu", f"{match[1]}: {match[2]}, {match[3]} of {match[4]} free")
