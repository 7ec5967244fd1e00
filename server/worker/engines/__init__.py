"""Finds engines: each public file here is one, and its name is its kind.

A file is imported only when its engine is asked for, so a library that one engine needs costs
nothing elsewhere. Files that begin with an underscore help their neighbours.
"""

from __future__ import annotations

from importlib import import_module
from pkgutil import iter_modules
from typing import Final

from server.core.errors import StartError
from server.core.settings import ModelSettings
from server.web.memory import trim_of_glibc
from server.worker.adapters.files import check_adapters
from server.worker.engine import Engine, Load, Say
from server.worker.weights.files import check_place

_NOT_EVERYWHERE: Final = ("adapters", "attention", "quantization")
"""Settings that an engine's file has in `TAKES`, where it understands them."""
_EXTRAS: Final = ("llama_cpp", "vllm")
"""Engines whose library comes with an extra of their name."""


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
        how = f"; pip install -e '.[{kind}]' brings it" if kind in _EXTRAS else ""
        raise StartError(f"the engine {kind!r} cannot be used here: {error}{how}") from error
    load: Load = module.load
    return load


def load_engine(settings: ModelSettings, say: Say) -> Engine:
    """Load a model; blocks. Raises `StartError` naming the model and the cause."""
    check_place(settings)
    check_adapters(settings)
    load = loader(settings.engine)
    _check_taken(settings)
    engine = load(settings, say)
    trim_of_glibc()()  # what loading needed for a moment: of four bits it is half of the process
    return engine


def _check_taken(settings: ModelSettings) -> None:
    """Raises `StartError` for what the settings say and the engine does not understand."""
    taken = getattr(import_module(f"{__name__}.{settings.engine}"), "TAKES", ())
    for field in _NOT_EVERYWHERE:
        if getattr(settings, field) and field not in taken:
            raise StartError(
                f"model {settings.name!r}: the engine {settings.engine!r} takes no {field}"
            )
