"""Whether the local models that are asked for can be there at all."""

from __future__ import annotations

import os
import sys
from argparse import Namespace
from collections.abc import Sequence
from pathlib import Path

from server.core.errors import ConfigError
from server.core.settings import ModelSettings
from server.launcher.setup.installation import BUNDLED, Installation


def check_models(
    models: Sequence[ModelSettings], home: Path, installation: Installation
) -> tuple[ModelSettings, ...]:
    """`models` with absolute folders. Raises `ConfigError` for what is missing."""
    problems = []
    found = []
    engines = installation.engines()
    for model in models:
        if model.engine not in engines:
            problems.append(
                f"model {model.name!r}: there is no engine {model.engine!r}; "
                f"there are: {', '.join(engines) or 'none'}"
            )
        try:
            path = locate(model.path, home, installation) if model.path else ""
            adapters = {
                name: _folder(folder, home, installation) for name, folder in model.adapters.items()
            }
            found.append(model.model_copy(update={"path": path, "adapters": adapters}))
        except ConfigError as error:
            problems += [f"model {model.name!r}: {problem}" for problem in error.problems]
    if problems:
        raise ConfigError(problems)
    return tuple(found)


def locate(path: str, home: Path, installation: Installation) -> str:
    """An absolute folder, or `path` itself if it is `bundled:…` or a hub name.

    Raises `ConfigError` when it can only be a folder and is not there.
    """
    if path.startswith(BUNDLED):
        name = path.removeprefix(BUNDLED)
        known = installation.bundled_models()
        if name not in known:
            raise ConfigError([f"no model {name!r} is bundled; there are: {', '.join(known)}"])
        return path
    expanded = Path(path).expanduser()
    for place in (home / expanded, installation.code / expanded):
        if place.exists():
            return str(place.resolve())
    if _is_folder(path):
        raise ConfigError([f"there is no folder {str(home / expanded)!r}"])
    return path


def locate_swap(flags: Namespace, home: Path, installation: Installation) -> str | None:
    """The path of `worker swap`, as `locate` says it. None, and words, for what makes no sense."""
    wrong = "--path is for `worker swap` only." if flags.path and flags.action != "swap" else ""
    try:
        path = locate(flags.path, home, installation) if flags.path and not wrong else ""
    except ConfigError as error:
        wrong = f"{error}."
    if wrong:
        sys.stderr.write(f"{wrong[0].upper()}{wrong[1:]}\n")
        return None
    return path


def _folder(path: str, home: Path, installation: Installation) -> str:
    """As `locate`, of what can be nothing else."""
    found = locate(path, home, installation)
    if found == path and not Path(path).is_absolute():
        raise ConfigError([f"there is no folder {str(home / path)!r}"])
    return found


def _is_folder(path: str) -> bool:
    """Whether `path` is more than `name` or `organisation/name`, as hub names are."""
    return path.startswith((os.sep, ".", "~")) or path.count(os.sep) > 1 or path.endswith(os.sep)
