"""How much memory is free: of the machine, and of the group that the kernel holds us to.

A container's limit stands in its control group and nowhere else; who asks the machine alone is
told of memory that it may not have.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import psutil

CGROUPS = Path("/sys/fs/cgroup")
OWN_CGROUP = Path("/proc/self/cgroup")


@dataclass(frozen=True, slots=True)
class Room:
    """In bytes."""

    free: int
    total: int


def ram(cgroups: Path = CGROUPS, own: Path = OWN_CGROUP) -> Room:
    """The tightest of what holds us."""
    machine = psutil.virtual_memory()
    rooms = [Room(int(machine.available), int(machine.total)), *_limits(cgroups, own)]
    return Room(min(room.free for room in rooms), min(room.total for room in rooms))


def _limits(cgroups: Path, own: Path) -> Iterator[Room]:
    """Of our group and of those that it is in, as far as they can be seen."""
    try:
        lines = own.read_text("utf-8").splitlines()
    except OSError:
        return
    for line in lines:
        _, kinds, path = line.split(":", 2)
        if not kinds:
            yield from _upwards(cgroups, path, ("memory.max", "memory.current", "inactive_file"))
        elif "memory" in kinds.split(","):
            names = ("memory.limit_in_bytes", "memory.usage_in_bytes", "total_inactive_file")
            yield from _upwards(cgroups / "memory", path, names)


def _upwards(root: Path, path: str, names: tuple[str, str, str]) -> Iterator[Room]:
    """`names`: the files of the limit and of what is used, and what of that can be given back."""
    group = root / path.strip("/")
    for folder in (group, *group.parents):
        if room := _room(folder, *names):
            yield room
        if folder == root:
            return


def _room(folder: Path, limit: str, used: str, idle: str) -> Room | None:
    """None without a limit: it says `max`, or a number beyond all memory, which harms nobody."""
    try:
        most = int((folder / limit).read_text())
        now = int((folder / used).read_text())
        said = (folder / "memory.stat").read_text().split()
    except (OSError, ValueError):
        return None
    numbers = dict(zip(said[::2], said[1::2], strict=False))
    in_use = max(0, now - int(numbers.get(idle, "0")))  # files that were read once can go
    return Room(max(0, most - in_use), most)
