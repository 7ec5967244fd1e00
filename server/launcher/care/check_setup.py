"""What the doctor looks at in a home: settings, models, providers, file modes."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

from server.core.config import read_settings
from server.core.errors import ConfigError
from server.core.memory.folders import folder_of
from server.core.memory.need import need_of
from server.core.memory.refusal import MEND, place
from server.core.memory.room import Room
from server.core.memory.sizes import bytes_of, in_words
from server.core.settings import FleetSettings, JoinedServer, ModelSettings
from server.launcher.care.finding import Finding, ok, warn, wrong
from server.launcher.room.machine import device_of, gpus, room_for
from server.launcher.setup.dotenv import with_env_file
from server.launcher.setup.home import Home
from server.launcher.setup.installation import Installation
from server.launcher.setup.models import check_models
from server.launcher.setup.providers import Provider, read_providers
from server.launcher.setup.servers import configured

MIB = 2**20


def check_configs(home: Home, environ: Mapping[str, str]) -> Iterator[Finding]:
    if not home.configs.is_dir():
        yield warn("configs", f"{home.configs} is not there yet", "the first start makes it")
        return
    try:
        with_env_file(environ, home.env_file)
        read_settings(FleetSettings, *home.settings_files, environ=environ)
    except ConfigError as error:
        for problem in error.problems:
            yield wrong("configs", problem, "correct it; nothing starts before")
    else:
        yield ok("configs", f"{home.fleet_file} is valid")


def check_local_models(
    models: Sequence[ModelSettings],
    home: Home,
    installation: Installation,
    environ: Mapping[str, str],
    most: str | None = None,
) -> Iterator[Finding]:
    """`most`: RAM for all of them together."""
    enabled = [model for model in models if model.enabled]
    if not enabled:
        yield warn("models", "no local model is enabled", f"add one to {home.fleet_file}")
    for model in enabled:
        try:
            (found,) = check_models([model], home.root, installation)
        except ConfigError as error:
            for problem in error.problems:
                yield wrong("models", problem, f"correct it in {home.fleet_file}")
        else:
            yield ok("models", f"{model.name}: {_where(found.path, installation)}")
            yield from _room(found, environ, bytes_of(most) if most else None)


def _room(model: ModelSettings, environ: Mapping[str, str], most: int | None) -> Iterator[Finding]:
    """Whether it fits; while Shortline runs, what is loaded already is not free."""
    there = gpus()
    device = device_of(model, there)
    room = room_for(model, device, there)
    if most is not None and device != "cuda":
        room = Room(min(most, room.free), min(most, room.total))
    need = need_of(model, folder_of(model.path, environ), device, room.total)
    if need is None:
        return
    free = f"{in_words(room.free)} of {in_words(room.total)} are free"
    text = f"{model.name}: needs about {need} of memory {place(device)}; {free}"
    if need.total > room.total:
        yield wrong("memory", text, MEND)
    elif need.total > room.free:
        yield warn("memory", text, f"that is as it should be while it is loaded; else {MEND}")
    else:
        yield ok("memory", text)


def check_providers(
    home: Home, servers: Sequence[JoinedServer], environ: Mapping[str, str]
) -> Iterator[Finding]:
    try:
        providers = read_providers(home.providers, environ)
        providers += configured(servers, providers, environ, home.fleet_file)
    except ConfigError as error:
        for problem in error.problems:
            yield wrong("providers", problem, "correct it; nothing starts before")
        return
    yield from map(_provider, providers)


def check_modes(home: Home) -> Iterator[Finding]:
    """What holds secrets or people's words is for its owner only."""
    for path, right in ((home.data, 0o700), (home.env_file, 0o600)):
        if not path.exists():
            continue
        mode = path.stat().st_mode & 0o777
        if mode & 0o077:
            yield wrong("modes", f"others can read {path} ({mode:o})", f"chmod {right:o} {path}")
        else:
            yield ok("modes", f"{path} is for its owner only")


def _provider(provider: Provider) -> Finding:
    name = provider.settings.name
    if provider.is_on:
        return ok("providers", f"{name} is on")
    return ok("providers", f"{name} is off: {provider.why_off}")


def _where(path: str, installation: Installation) -> str:
    if not path:
        return "loads nothing"
    folder = installation.bundled_folder(path) or Path(path)
    if not folder.is_absolute():
        return f"{path} (comes with Shortline, or is fetched from the Hugging Face hub)"
    size = sum(file.stat().st_size for file in folder.rglob("*") if file.is_file())
    return f"{folder}, {size / MIB:.0f} MiB"
