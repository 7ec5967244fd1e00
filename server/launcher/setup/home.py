"""The folder that holds one set-up: `configs/`, `knowledge_base/` and `data/`."""

from __future__ import annotations

import re
import shutil
from dataclasses import dataclass
from pathlib import Path
from zlib import crc32

from server.core.errors import ConfigError

_NOT_IN_FILE_NAMES = re.compile(r"[^\w.#-]")
MAX_LOG_NAME = 80


@dataclass(frozen=True, slots=True)
class Home:
    root: Path

    @property
    def configs(self) -> Path:
        return self.root / "configs"

    @property
    def fleet_file(self) -> Path:
        return self.configs / "fleet.yaml"

    @property
    def app_file(self) -> Path:
        return self.configs / "app.yaml"

    @property
    def settings_files(self) -> tuple[Path, Path]:
        """Each holds some of the sections; a home that was made earlier has only the first."""
        return self.fleet_file, self.app_file

    @property
    def providers(self) -> Path:
        return self.configs / "providers"

    @property
    def env_file(self) -> Path:
        return self.configs / ".env"

    @property
    def data(self) -> Path:
        return self.root / "data"

    @property
    def database(self) -> Path:
        """Of the conversations, unless the settings name another one."""
        return self.data / "shortline.db"

    @property
    def ledger_file(self) -> Path:
        """Of API keys, budgets and usage."""
        return self.data / "ledger.db"

    @property
    def desired_file(self) -> Path:
        """Of the workers that an operator has stopped or drained."""
        return self.data / "desired.json"

    @property
    def swapped_file(self) -> Path:
        """Of the models whose weights an operator has swapped."""
        return self.data / "swapped.json"

    @property
    def joined_file(self) -> Path:
        """Of the servers that were joined at run time."""
        return self.data / "joined.json"

    @property
    def logs(self) -> Path:
        return self.data / "logs"

    @property
    def run(self) -> Path:
        return self.data / "run"

    @property
    def lock_file(self) -> Path:
        return self.run / "lock"

    @property
    def state_file(self) -> Path:
        return self.run / "state.json"

    @property
    def wishes(self) -> Path:
        """What an operator has said and the launcher has not heard yet."""
        return self.run / "wishes"

    @property
    def is_there(self) -> bool:
        """A start has made it, or somebody by hand; any folder may have one called `data`."""
        return self.run.is_dir() or any(file.is_file() for file in self.settings_files)

    def log_of(self, process: str) -> Path:
        """Its own file for every process name, even one that is no file name."""
        name = _NOT_IN_FILE_NAMES.sub("_", process.replace(" ", "-"))
        if name != process.replace(" ", "-") or len(name) > MAX_LOG_NAME:
            name = f"{name[:40]}-{crc32(process.encode()):08x}"
        return self.logs / f"{name}.log"


def furnish(home: Home, shipped: Path) -> bool:
    """Make the folders that are missing; True if `configs/` was and now is a copy of `shipped`.

    Raises `ConfigError`.
    """
    try:
        home.root.mkdir(parents=True, exist_ok=True)
        home.data.mkdir(mode=0o700, exist_ok=True)
        home.data.chmod(0o700)
        home.logs.mkdir(mode=0o700, exist_ok=True)
        home.run.mkdir(mode=0o700, exist_ok=True)
        if home.configs.exists():
            return False
        shutil.copytree(shipped, home.configs, ignore=shutil.ignore_patterns(".env", "__pycache__"))
    except OSError as error:
        raise ConfigError(
            [f"{error.filename or home.root}: {error.strerror}; choose another folder with --home"]
        ) from error
    return True
