"""From a home and a wish to a plan; every mistake is found before any child starts."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import TypeVar

from pydantic import SecretStr

from server.clients.joined import JoinedFile
from server.core.config import read_settings
from server.core.errors import ConfigError
from server.core.settings import FleetSettings, JoinedServer, LauncherSettings, ServerSettings
from server.launcher.setup.choice import Choice, choose
from server.launcher.setup.dotenv import childrens_environ, with_env_file
from server.launcher.setup.home import Home
from server.launcher.setup.installation import Installation
from server.launcher.setup.join import controller_url, fleet_secret, gateway_url, host_towards
from server.launcher.setup.models import check_models
from server.launcher.setup.plan import MODULES, ChildPlan, Maker, Role
from server.launcher.setup.ports import why_unusable
from server.launcher.setup.providers import Provider, key_variables, read_providers
from server.launcher.setup.servers import configured
from server.launcher.wanted import Wanted

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Prepared:
    launcher: LauncherSettings
    children: tuple[ChildPlan, ...]
    providers: tuple[Provider, ...]
    """Those that are off too; none if none was asked for."""
    environ: Mapping[str, str]
    """What every child sees."""
    secret: SecretStr
    """Of this fleet."""
    controller_url: str
    """Of a controller that is joined; empty: ours."""
    guest: Callable[[JoinedServer], ChildPlan] | None = None
    """The plan of a server that is joined at run time. Raises `ConfigError`. None: there is nothing
    here that it could join."""


class Problems:
    def __init__(self) -> None:
        self._found: list[str] = []

    def attempt(self, make: Callable[[], T]) -> T | None:
        """What `make` returns; None if it has a `ConfigError`, which is kept for the end."""
        try:
            return make()
        except ConfigError as error:
            self._found += error.problems
            return None

    def settle(self) -> None:
        if self._found:
            raise ConfigError(self._found)


def prepare(
    home: Home,
    wanted: Wanted,
    environ: Mapping[str, str],
    installation: Installation,
    modules: Mapping[Role, str] = MODULES,
) -> Prepared:
    """Raises `ConfigError` with everything that is wrong, also with ports that are in use."""
    problems = Problems()
    shell = environ
    environ = problems.attempt(lambda: with_env_file(shell, home.env_file)) or shell
    settings = problems.attempt(
        lambda: read_settings(FleetSettings, *home.settings_files, environ=environ)
    )
    online = problems.attempt(lambda: read_providers(home.providers, environ))
    if settings is None:
        problems.settle()
    assert settings is not None
    servers = problems.attempt(lambda: _servers(home, wanted, settings, online or (), environ))
    providers = [*(online or ()), *(servers or ())]
    choice = problems.attempt(lambda: choose(wanted, settings.models, providers))
    asked = choice.models if choice else ()
    models = problems.attempt(lambda: check_models(asked, home.root, installation))
    problems.attempt(lambda: check_ports(wanted, settings))
    secret = problems.attempt(lambda: fleet_secret(wanted, settings.controller))
    url = problems.attempt(lambda: controller_url(wanted, settings.controller))
    host = problems.attempt(lambda: host_towards(url or ""))
    gateway = problems.attempt(lambda: gateway_url(wanted, settings))
    problems.settle()
    assert choice and models is not None and secret and host
    maker = Maker(
        settings,
        secret,
        url or "",
        host,
        modules,
        gateway_url=gateway or "",
        database=f"sqlite+aiosqlite:///{home.database}",
        state_file=str(home.state_file),
        ledger_file=str(home.ledger_file),
        joined_file=str(home.joined_file),
        taken_names=tuple(provider.settings.name for provider in online or ()),
    )
    children = maker.children(wanted, Choice(models, choice.providers))
    guests = JoinedFile(home.joined_file).servers.values()
    keys = {guest.api_key_env for guest in guests if guest.api_key_env}
    return Prepared(
        settings.launcher,
        tuple(children),
        tuple(providers) if wanted.online else (),
        childrens_environ(environ, key_variables(providers) | keys),
        secret,
        url or "",
        partial(_guest, home, maker, providers, shell)
        if wanted.gateway or wanted.workers
        else None,
    )


def _servers(
    home: Home,
    wanted: Wanted,
    settings: FleetSettings,
    providers: Sequence[Provider],
    environ: Mapping[str, str],
) -> list[Provider]:
    if not wanted.online:
        return []
    return configured(settings.servers, providers, environ, home.fleet_file)


def _guest(
    home: Home,
    maker: Maker,
    others: Sequence[Provider],
    shell: Mapping[str, str],
    server: JoinedServer,
) -> ChildPlan:
    """Its key may have come to `configs/.env` since we started. Raises `ConfigError`."""
    environ = with_env_file(shell, home.env_file)
    (provider,) = configured([server], others, environ, home.joined_file)
    return maker.online(provider)


def check_ports(wanted: Wanted, settings: FleetSettings) -> None:
    """Raises `ConfigError` for every port that one of our servers could not have."""
    asked: list[tuple[str, bool, ServerSettings]] = [
        ("controller", wanted.controller, settings.controller),
        ("openai_api", wanted.gateway, settings.openai_api),
        ("api", wanted.app, settings.api),
    ]
    problems = []
    taken: dict[int, str] = {}
    for name, is_wanted, server in asked:
        if server.port == 0 or not is_wanted:
            continue
        other = taken.setdefault(server.port, name)
        if other != name:
            problems.append(f"{name} and {other} cannot both have port {server.port}")
        elif reason := why_unusable(server.host, server.port):
            problems.append(
                f"{name}: port {server.port} on {server.host} is {reason}; stop that, or choose "
                f"another port with SHORTLINE_{name.upper()}__PORT (0: any free one)"
            )
    if problems:
        raise ConfigError(problems)
