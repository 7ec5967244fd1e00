"""`startup.py join URL` and `startup.py leave NAME`: servers of models, while Shortline runs."""

from __future__ import annotations

import asyncio
import sys
import time
from argparse import Namespace
from collections.abc import Callable, Iterator, Mapping
from contextlib import suppress

from pydantic import SecretStr, ValidationError

from server.clients.http import HTTPClient
from server.clients.joined import JoinedFile
from server.clients.servers.found import Found
from server.clients.servers.joining import HEARD_S, check_free, look_at
from server.core.config import read_settings, secret_from
from server.core.errors import ConfigError, RequestError
from server.core.settings import FleetSettings, JoinedServer
from server.launcher.care.tell import is_heard
from server.launcher.running.guests import worker_of
from server.launcher.running.inbox import put_wish
from server.launcher.running.state import process_of, read_state
from server.launcher.setup.dotenv import with_env_file
from server.launcher.setup.home import Home
from server.wire.launcher import LauncherState
from server.wire.process import Join, Leave, Wish

DONE, UNHEARD, REFUSED, NOT_RUNNING = 0, 1, 2, 3
_PROVIDER = worker_of("")
UP_S = 10.0
"""How long `join` waits until what it has joined can be asked."""


def join(home: Home, flags: Namespace, environ: Mapping[str, str]) -> int:
    """0: it has joined. 1: the launcher does not listen, or refuses. 2: it cannot join, and nothing
    has changed. 3: not running."""
    state = _running(home)
    if state is None:
        return NOT_RUNNING
    try:
        server = _asked_for(flags)
        key = _key_of(server, home, environ)
        check_free(server, _known(home, environ), _names(state))
        found = asyncio.run(_look(server, key, state.fleet))
    except (RequestError, ConfigError, ValueError) as error:
        _say(f"Not joined: {error}")
        return REFUSED
    if not _done(home, Join(join=server), lambda file: file.servers.get(server.name) == server):
        return UNHEARD
    models = ", ".join(found.models) if found else ""
    what = f" ({found.label})" if found else ""
    _say(f"{server.name}{what} has joined: {server.url}\nIts models: {models or 'none yet'}")
    if models and not _is_up(home, server.name):
        _say("They can be asked in a moment; `startup.py status` says when.")
    return DONE


def leave(home: Home, name: str) -> int:
    """As `join`; 2: none was joined by that name."""
    state = _running(home)
    if state is None:
        return NOT_RUNNING
    joined = JoinedFile(home.joined_file).servers
    if name not in joined:
        known = ", ".join(map(repr, joined)) or "none"
        why = f"No server was joined by the name {name!r}; there are: {known}."
        if name in _names(state):
            why = f"{name!r} stands in configs/; take it out there, or `worker stop` it."
        _say(why)
        return REFUSED
    if not _done(home, Leave(leave=name), lambda file: name not in file.servers):
        return UNHEARD
    _say(f"{name} leaves; what it has begun is finished first.")
    return DONE


def _running(home: Home) -> LauncherState | None:
    state = read_state(home.state_file)
    if state is not None and process_of(state.pid, state.created) is not None:
        return state
    _say(
        f"Not running in {home.root}. Servers join while it runs; "
        "a line of `servers` in configs/fleet.yaml joins one at every start."
    )
    return None


def _asked_for(flags: Namespace) -> JoinedServer:
    """Raises `ValueError` in words."""
    given = {
        "url": flags.url,
        "name": flags.name or "",
        "api_key_env": flags.key_env,
        "abilities": tuple(flags.abilities or ()),
        **({"slots": flags.slots} if flags.slots is not None else {}),
    }
    try:
        return JoinedServer.model_validate(given)
    except ValidationError as error:
        first = error.errors()[0]
        where = ".".join(map(str, first["loc"]))
        raise ValueError(f"{where}: {first['msg'].removeprefix('Value error, ')}") from None


def _key_of(server: JoinedServer, home: Home, environ: Mapping[str, str]) -> SecretStr | None:
    """Raises `ConfigError` when it is not where the launcher would find it either."""
    known = with_env_file(environ, home.env_file)
    key = secret_from(known, server.api_key_env)
    if server.api_key_env is not None and key is None:
        raise ConfigError([f"{server.api_key_env} is not set; write it to {home.env_file}"])
    return key


def _known(home: Home, environ: Mapping[str, str]) -> Iterator[JoinedServer]:
    yield from JoinedFile(home.joined_file).servers.values()
    with suppress(ConfigError):  # a start would say what is wrong with them
        own = with_env_file(environ, home.env_file)
        yield from read_settings(FleetSettings, *home.settings_files, environ=own).servers


def _names(state: LauncherState) -> set[str]:
    """Of providers and servers that have a process."""
    online = (child.name for child in state.children if child.role == "online_api")
    return {name.removeprefix(_PROVIDER) for name in online}


async def _look(server: JoinedServer, key: SecretStr | None, fleet: str) -> Found | None:
    http = HTTPClient()
    try:
        return await look_at(http, server, key, fleet)
    finally:
        http.close()


def _done(home: Home, wish: Wish, is_so: Callable[[JoinedFile], bool]) -> bool:
    """Whether the launcher has heard it, and has written it down."""
    if not is_heard(put_wish(home.wishes, wish)):
        _say("The launcher does not listen; is it frozen or stopping?")
        return False
    end = time.monotonic() + HEARD_S
    while time.monotonic() < end:
        if is_so(JoinedFile(home.joined_file)):
            return True
        time.sleep(0.05)
    _say(f"The launcher has not done it; its log says why: {home.log_of('launcher')}")
    return False


def _is_up(home: Home, name: str) -> bool:
    """Whether what it serves can be asked, or could soon enough to wait for it."""
    end = time.monotonic() + UP_S
    while time.monotonic() < end:
        state = read_state(home.state_file)
        children = state.children if state is not None else ()
        if any(one.name == worker_of(name) and one.routing == "ready" for one in children):
            return True
        time.sleep(0.05)
    return False


def _say(text: str) -> None:
    sys.stdout.write(text + "\n")
