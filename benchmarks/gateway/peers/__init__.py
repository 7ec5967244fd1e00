"""Finds peers: each public file here is one, and its name is its own, with `-` for `_`."""

from __future__ import annotations

from importlib import import_module
from pkgutil import iter_modules

from benchmarks.gateway.peer import Peer


def names() -> list[str]:
    """The peers there are."""
    public = (m.name for m in iter_modules(__path__) if not m.name.startswith("_"))
    return sorted(name.replace("_", "-") for name in public)


def find(name: str) -> Peer:
    peer: Peer = import_module(f"{__name__}.{name.replace('-', '_')}").PEER
    return peer
