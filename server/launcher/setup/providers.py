"""`configs/providers/*.yaml`, and which of them are switched on."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from pydantic import SecretStr, ValidationError

from server.core.config import read_settings, secret_from
from server.core.errors import ConfigError
from server.core.provider_settings import ProviderSettings


@dataclass(frozen=True, slots=True)
class Provider:
    file: Path
    settings: ProviderSettings
    """With the base URL that its variable gives."""
    key: SecretStr | None
    missing: tuple[str, ...]
    """Variables it needs that are not in the environment."""

    @property
    def is_on(self) -> bool:
        return self.settings.enabled and not self.missing

    @property
    def why_off(self) -> str:
        if not self.settings.enabled:
            return f"enabled is false in {self.file}"
        return f"{' and '.join(self.missing)} not set"


def read_providers(folder: Path, environ: Mapping[str, str]) -> list[Provider]:
    """Every provider of `folder`, on or off. Raises `ConfigError` for the mistakes of all files."""
    providers: list[Provider] = []
    problems: list[str] = []
    for file in sorted((*folder.glob("*.yaml"), *folder.glob("*.yml"))):
        try:
            providers.append(_read(file, environ))
        except ConfigError as error:
            problems += error.problems
    problems += _same_names(providers)
    if problems:
        raise ConfigError(problems)
    return providers


def key_variables(providers: Sequence[Provider]) -> frozenset[str]:
    """The variables that hold keys, of providers that are off too."""
    return frozenset(p.settings.api_key_env for p in providers if p.settings.api_key_env)


def _read(file: Path, environ: Mapping[str, str]) -> Provider:
    settings = read_settings(ProviderSettings, file)
    key = secret_from(environ, settings.api_key_env)
    url = environ.get(settings.base_url_env or "", "").strip()
    missing = []
    if settings.api_key_env and key is None and not settings.api_key_optional:
        missing.append(settings.api_key_env)
    if settings.base_url_env and not url and settings.base_url is None:
        missing.append(settings.base_url_env)
    return Provider(file, _with_url(settings, url) if url else settings, key, tuple(missing))


def _with_url(settings: ProviderSettings, url: str) -> ProviderSettings:
    try:
        return ProviderSettings.model_validate(settings.model_dump() | {"base_url": url})
    except ValidationError as error:
        wrong = error.errors()[0]["msg"].removeprefix("Value error, ")
        raise ConfigError([f"environment variable {settings.base_url_env}: {wrong}"]) from None


def _same_names(providers: Sequence[Provider]) -> list[str]:
    first: dict[str, Path] = {}
    problems = []
    for provider in providers:
        name = provider.settings.name
        other = first.setdefault(name, provider.file)
        if other != provider.file:
            problems.append(f"{provider.file}: the name {name!r} is taken by {other}")
    return problems
