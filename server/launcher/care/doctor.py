"""`startup.py doctor`: what is wrong with this set-up, and how to mend it."""

from __future__ import annotations

import sys
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path

from server.core.config import read_settings
from server.core.errors import ConfigError
from server.core.settings import FleetSettings
from server.launcher.care.check_machine import (
    check_gpus,
    check_packages,
    check_python,
    check_space,
    requirements_of,
)
from server.launcher.care.check_running import check_ports, check_running
from server.launcher.care.check_setup import (
    check_configs,
    check_local_models,
    check_modes,
    check_providers,
)
from server.launcher.care.finding import Finding
from server.launcher.setup.dotenv import with_env_file
from server.launcher.setup.home import Home
from server.launcher.setup.installation import Installation


def doctor(home: Home, environ: Mapping[str, str], installation: Installation) -> int:
    """1 if something is wrong; a warning is not."""
    sick = False
    for finding in examine(home, environ, installation):
        sick = sick or finding.level == "wrong"
        sys.stdout.write("\n".join(_lines(finding)) + "\n")
    return 1 if sick else 0


def examine(
    home: Home, environ: Mapping[str, str], installation: Installation
) -> Iterator[Finding]:
    yield from check_python()
    yield from check_packages(requirements_of(installation))
    yield from check_space(_existing(home.root))
    yield from check_gpus()
    yield from check_modes(home)
    yield from check_configs(home, environ)
    if not home.configs.is_dir():
        return
    try:
        environ = with_env_file(environ, home.env_file)
        settings = read_settings(FleetSettings, *home.settings_files, environ=environ)
    except ConfigError:  # `check_configs` has said it
        return
    most = settings.launcher.model_memory
    yield from check_local_models(settings.models, home, installation, environ, most)
    yield from check_providers(home, settings.servers, environ)
    yield from check_ports(settings, home)
    yield from check_running(home)


def _existing(folder: Path) -> Path:
    """`folder` or the first one above it that is there."""
    return next(place for place in (folder, *folder.parents) if place.exists())


def _lines(finding: Finding) -> Iterable[str]:
    yield f"{finding.level:<6}{finding.about:<10} {finding.text}"
    if finding.mend:
        yield f"{'':<17}-> {finding.mend}"
