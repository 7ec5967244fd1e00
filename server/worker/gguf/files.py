"""Where a GGUF file is: named, alone in its folder, or on the Hugging Face hub."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Final

from server.core.errors import StartError
from server.core.memory.gguf import PART, ggufs_in, parts_of
from server.core.settings import ModelSettings
from server.worker.engine import Say
from server.worker.weights.fetching import fetch, here
from server.worker.weights.files import reason

_HUB_NAME: Final = re.compile(r"[A-Za-z0-9][\w.-]*/[A-Za-z0-9][\w.-]*")


def find_gguf(settings: ModelSettings, say: Say) -> Path:
    """The file, or the first one of a model in parts. Raises `StartError`."""
    place = Path(settings.path).expanduser()
    wanted = str(settings.options.get("file", ""))
    if place.is_file():
        return place
    if place.is_dir():
        return _in_folder(settings.name, place, wanted)
    if settings.path.endswith(".gguf") or not _HUB_NAME.fullmatch(settings.path):
        raise StartError(f"model {settings.name!r}: there is no file or folder {settings.path}")
    if not wanted:
        raise StartError(
            f"model {settings.name!r}: {settings.path!r} is no folder here; to fetch it from the "
            "hub, name one of its files in options.file"
        )
    return _from_hub(settings, wanted, say)


def _in_folder(model: str, folder: Path, wanted: str) -> Path:
    if wanted:
        if not (folder / wanted).is_file():
            raise StartError(f"model {model!r}: there is no file {wanted} in {folder}")
        return folder / wanted
    found = ggufs_in(folder)
    if not found:
        raise StartError(f"model {model!r}: there is no *.gguf in the folder {folder}")
    if len(found) > 1:
        names = ", ".join(file.name for file in found)
        raise StartError(
            f"model {model!r}: {folder} has several models; name one in options.file: {names}"
        )
    return found[0]


def _from_hub(settings: ModelSettings, wanted: str, say: Say) -> Path:
    files = [PART.sub(r"-*-of-\2.gguf", wanted)]
    folder = here(settings.path, files)
    if folder is not None and all(part.is_file() for part in parts_of(folder / wanted)):
        return folder / wanted
    try:
        found = fetch(settings.path, files, f"{wanted} of {settings.path}", say) / wanted
    except Exception as error:
        raise StartError(
            f"model {settings.name!r}: {settings.path!r} is no folder here, and its file {wanted} "
            f"cannot be downloaded ({reason(error)})"
        ) from error
    if not found.is_file():
        raise StartError(f"model {settings.name!r}: {settings.path} has no file {wanted}")
    return found
