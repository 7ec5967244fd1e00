"""Finds engines: each public file here is one, and its name is its kind.

A file is imported only when its engine is asked for, so a library that one engine needs costs
nothing elsewhere. Files that begin with an underscore help their neighbours.
"""

from __future__ import annotations

from importlib import import_module
from pkgutil import iter_modules

from server.core.errors import StartError
from server.core.settings import ModelSettings
from server.worker.engine import Engine, Load, Say
from server.worker.engines._weights import check_place


def kinds() -> list[str]:
    """The engines there are."""
    return sorted(m.name for m in iter_modules(__path__) if not m.name.startswith("_"))


def loader(kind: str) -> Load:
    """The `load` of an engine. Raises `StartError` that lists those there are."""
    if kind not in kinds():
        raise StartError(f"there is no engine {kind!r}; there are: {', '.join(kinds())}")
    try:
        module = import_module(f"{__name__}.{kind}")
    except ImportError as error:
        raise StartError(f"the engine {kind!r} cannot be used here: {error}") from error
    load: Load = module.load
    return load


def load_engine(settings: ModelSettings, say: Say) -> Engine:
    """Load a model; blocks. Raises `StartError` naming the model and the cause."""
    check_place(settings)
    return loader(settings.engine)(settings, say)
