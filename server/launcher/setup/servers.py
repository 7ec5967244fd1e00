"""Servers that are joined by their address: each is a provider whose file is one line."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

from server.core.config import secret_from
from server.core.errors import ConfigError
from server.core.provider_settings import ProviderSettings
from server.core.settings import JoinedServer
from server.launcher.setup.providers import Provider


def provider_of(server: JoinedServer, environ: Mapping[str, str], file: Path) -> Provider:
    """`file`: where it stands."""
    key = secret_from(environ, server.api_key_env)
    settings = ProviderSettings(
        name=server.name,
        base_url=server.url,
        api_key_env=server.api_key_env,
        server=True,
        abilities=server.abilities,
        slots=server.slots,
        speed=server.speed,
    )
    missing = (server.api_key_env,) if server.api_key_env and key is None else ()
    return Provider(file, settings, key, missing)


def configured(
    servers: Sequence[JoinedServer],
    providers: Sequence[Provider],
    environ: Mapping[str, str],
    file: Path,
) -> list[Provider]:
    """Those of the settings. Raises `ConfigError` for a name of another one's, and for a key that
    is not there: who writes the line wants the server."""
    problems = []
    owners = {provider.settings.name: provider.file for provider in providers}
    found = [provider_of(server, environ, file) for server in servers]
    for server in found:
        name = server.settings.name
        if name in owners:
            problems.append(f"{file}: servers: the name {name!r} is taken by {owners[name]}")
        problems += [f"{file}: servers: {name}: {variable} not set" for variable in server.missing]
    if problems:
        raise ConfigError(problems)
    return found
