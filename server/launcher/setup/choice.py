"""Which models and providers are started, of those that are configured."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from server.core.errors import ConfigError
from server.core.settings import ModelSettings
from server.launcher.setup.providers import Provider
from server.launcher.wanted import Wanted

_SILENT = frozenset({"embeddings", "rerank"})
"""Engines with which nobody can talk."""


@dataclass(frozen=True, slots=True)
class Choice:
    models: tuple[ModelSettings, ...] = ()
    providers: tuple[Provider, ...] = ()

    @property
    def chat_models(self) -> tuple[str, ...]:
        """Those that people can talk with."""
        local = [name for one in self.models if one.engine not in _SILENT for name in one.names]
        online = [
            model.name
            for provider in self.providers
            if "chat" in provider.settings.abilities
            for model in provider.settings.models
        ]
        return tuple(dict.fromkeys([*local, *online]))


def choose(
    wanted: Wanted, models: Sequence[ModelSettings], providers: Sequence[Provider]
) -> Choice:
    """Raises `ConfigError` when something named is not there, or there is nothing to start."""
    problems = _unknown(wanted, models, providers) + _switched_off(wanted, providers)
    if not problems:
        problems = _not_asked_for(wanted, models, providers)
    if problems:
        raise ConfigError(problems)
    choice = Choice(
        tuple(m for m in models if wanted.local and _takes(wanted, m.names, m.enabled)),
        tuple(
            p for p in providers if wanted.online and _takes(wanted, (p.settings.name,), p.is_on)
        ),
    )
    if wanted.workers and not wanted.gateway and not choice.models and not choice.providers:
        raise ConfigError(_nothing(wanted, providers))
    return choice


def _takes(wanted: Wanted, names: Sequence[str], by_default: bool) -> bool:
    """A model that is not enabled is started when it is named, or one of its adapters."""
    return any(name in wanted.names for name in names) if wanted.names else by_default


def _unknown(
    wanted: Wanted, models: Sequence[ModelSettings], providers: Sequence[Provider]
) -> list[str]:
    local = [name for model in models for name in model.names]
    online = [provider.settings.name for provider in providers]
    return [
        f"no model is called {name!r}; configs/fleet.yaml has: {', '.join(local) or 'none'}; "
        f"configs/providers has: {', '.join(online) or 'none'}"
        for name in wanted.names
        if name not in local and name not in online
    ]


def _switched_off(wanted: Wanted, providers: Sequence[Provider]) -> list[str]:
    return [
        f"the provider {p.settings.name!r} is switched off: {p.why_off}"
        for p in providers
        if wanted.online and p.settings.name in wanted.names and not p.is_on
    ]


def _not_asked_for(
    wanted: Wanted, models: Sequence[ModelSettings], providers: Sequence[Provider]
) -> list[str]:
    """A name that the other flags leave nothing of."""
    startable = [name for m in models if wanted.local for name in m.names]
    startable += [p.settings.name for p in providers if wanted.online]
    return [
        f"-n {name}: the other flags do not start it; local models need -m, --llm-api or -a "
        "without -i, online providers need -p, -i, --llm-api or -a"
        for name in wanted.names
        if name not in startable
    ]


def _nothing(wanted: Wanted, providers: Sequence[Provider]) -> list[str]:
    problems = []
    if wanted.local:
        problems.append("no local model is configured and enabled in configs/fleet.yaml")
    if wanted.online:
        off = "; ".join(f"{p.settings.name}: {p.why_off}" for p in providers)
        problems.append(f"no online provider is switched on ({off or 'none is configured'})")
    return problems
