"""Where a model's files are: in this package, in a folder, or on the Hugging Face hub."""

from __future__ import annotations

import re
from importlib.util import find_spec
from pathlib import Path

from server.core.errors import StartError
from server.core.memory.folders import BUNDLED, BUNDLED_FOLDER, BUNDLED_PACKAGES
from server.core.memory.weights import NO_HEAD, weight_files
from server.core.settings import ModelSettings
from server.worker.engine import Say
from server.worker.weights.fetching import fetch, here

_HUB_NAME = re.compile(r"[A-Za-z0-9][\w.-]*(/[A-Za-z0-9][\w.-]*)?")
_WEIGHTS = (".safetensors", ".gguf")
_PICKLES = (".bin", ".pt", ".pth", ".ckpt")
_WANTED = ["*.json", "*.safetensors", "*.model", "*.txt", "*.jinja", "*.tiktoken"]
"""Never `*.bin`: a pickle can run code."""


def find_model(settings: ModelSettings, say: Say) -> Path:
    """The folder with the model's files, downloaded if need be. Raises `StartError`."""
    path = settings.path
    if path.startswith(BUNDLED):
        return _bundled(settings.name, path.removeprefix(BUNDLED))
    folder = Path(path).expanduser()
    if folder.is_dir():
        return folder
    if _HUB_NAME.fullmatch(path):
        return _from_hub(settings, say)
    raise StartError(f"model {settings.name!r}: there is no folder {path}")


def check_place(settings: ModelSettings) -> None:
    """Raises `StartError` at once for a place that holds no model.

    Engines find out too, but only after seconds of importing their libraries.
    """
    path = settings.path
    place = Path(path).expanduser()
    if not path:  # an engine that needs none
        return
    if path.startswith(BUNDLED):
        _bundled(settings.name, path.removeprefix(BUNDLED))
    elif place.is_dir():
        _check_folder(settings.name, place)
    elif path[0] in "/.~" and not place.exists():
        raise StartError(f"model {settings.name!r}: there is no file or folder {path}")


def _check_folder(model: str, folder: Path) -> None:
    names = [file.name for file in folder.iterdir()]
    if any(name.endswith(_WEIGHTS) for name in names):
        return
    pickles = sorted(name for name in names if name.endswith(_PICKLES))
    if pickles:
        raise StartError(
            f"model {model!r}: {folder} has its weights only as a pickle ({pickles[0]}), which can "
            "run code and is not loaded; convert it to safetensors"
        )
    what = "no weights (*.safetensors)" if names else "nothing"
    raise StartError(f"model {model!r}: there is {what} in the folder {folder}")


def reason(error: BaseException) -> str:
    """The first line of what went wrong; libraries add pages of advice below it."""
    lines = str(error).strip().splitlines()
    return f"{type(error).__name__}: {lines[0]}" if lines else type(error).__name__


def _bundled(model: str, name: str) -> Path:
    if name in BUNDLED_PACKAGES:
        package, inside = BUNDLED_PACKAGES[name]
        spec = find_spec(package)
        if spec is None or spec.origin is None:
            raise StartError(f"model {model!r}: the Python package {package} is not installed")
        folder = Path(spec.origin).parent / inside
    else:
        folder = BUNDLED_FOLDER / Path(name).name
    if not folder.is_dir():
        raise StartError(f"model {model!r}: no model called {name!r} comes with Shortline")
    return folder


def _from_hub(settings: ModelSettings, say: Say) -> Path:
    wanted = [*_WANTED, "*.py"] if settings.trust_remote_code else _WANTED
    folder = here(settings.path, wanted)
    if folder is not None and _is_whole(folder):
        return folder
    try:
        return fetch(settings.path, wanted, settings.path, say)
    except Exception as error:
        raise StartError(
            f"model {settings.name!r}: {settings.path!r} is no folder here, is not in the "
            f"Hugging Face cache, and cannot be downloaded ({reason(error)})"
        ) from error


def _is_whole(folder: Path) -> bool:
    """Whether all of its weights are there. The library cannot tell what others than its
    `snapshot_download` began to fetch."""
    try:
        files = weight_files(folder)
    except NO_HEAD:
        return False
    return bool(files) and all(file.is_file() for file in files)
