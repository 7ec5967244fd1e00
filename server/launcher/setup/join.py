"""How this launcher's processes meet a controller and a gateway: ours, or some that run already."""

from __future__ import annotations

import socket
from urllib.parse import urlsplit

from pydantic import SecretStr

from server.core.errors import ConfigError
from server.core.ids import new_secret
from server.core.settings import (
    ControllerSettings,
    FleetSettings,
    ServerSettings,
    is_loopback,
    is_wildcard,
)
from server.launcher.wanted import Wanted

SECRET_VARIABLE = "SHORTLINE_CONTROLLER__SECRET"


def controller_url(wanted: Wanted, own: ControllerSettings) -> str:
    """Where to find the controller that is joined; empty if we start one ourselves.

    Raises `ConfigError`.
    """
    if wanted.controller:
        return ""
    if _app_alone(wanted) and (own.secret is None or own.port == 0):
        return ""  # nobody would answer; the chat needs no controller
    if wanted.join is None and own.port == 0:
        raise ConfigError(["which controller? Give its address with -c, as http://host:port"])
    return _address(own) if wanted.join is None else _normalised(wanted.join)


def gateway_url(wanted: Wanted, settings: FleetSettings) -> str:
    """The gateway that the app server asks; empty: the one that we start. Raises `ConfigError`."""
    if settings.api.gateway_url is not None:
        return settings.api.gateway_url
    if wanted.gateway or not wanted.app:
        return ""
    if settings.openai_api.port == 0:
        raise ConfigError(
            [
                "which OpenAI API shall the app server ask? Start one with it (-a, -o), or set "
                "SHORTLINE_API__GATEWAY_URL, as in http://127.0.0.1:20000"
            ]
        )
    return _address(settings.openai_api)


def fleet_secret(wanted: Wanted, own: ControllerSettings) -> SecretStr:
    """Raises `ConfigError` when a controller is joined whose secret is not known."""
    if own.secret is not None:
        return own.secret
    if wanted.controller or _app_alone(wanted):
        return SecretStr(new_secret())
    raise ConfigError(
        [
            "to join a controller that runs already, set its secret in the environment: "
            f"{SECRET_VARIABLE} (the same value where the controller is started)"
        ]
    )


def host_towards(url: str) -> str:
    """This machine's own address on the way to `url`; nothing is sent. Raises `ConfigError`."""
    parts = urlsplit(url)
    host = parts.hostname or ""
    if not host or is_loopback(host):
        return "127.0.0.1"
    try:
        family, kind, *_, there = socket.getaddrinfo(host, parts.port, type=socket.SOCK_DGRAM)[0]
        with socket.socket(family, kind) as probe:
            probe.connect(there)
            return str(probe.getsockname()[0])
    except OSError as error:
        raise ConfigError([f"the controller's host {host!r}: {error.strerror}"]) from error


def _app_alone(wanted: Wanted) -> bool:
    """Nothing is started that must find a controller, and none was named."""
    return not wanted.gateway and not wanted.workers and wanted.join is None


def _address(server: ServerSettings) -> str:
    """Of a server of this machine that runs with the same settings as ours."""
    host = server.host
    if is_wildcard(host):
        host = "::1" if ":" in host else "127.0.0.1"
    return f"http://[{host}]:{server.port}" if ":" in host else f"http://{host}:{server.port}"


def _normalised(address: str) -> str:
    url = address if "://" in address else f"http://{address}"
    try:
        parts = urlsplit(url)
        sane = parts.scheme in ("http", "https") and parts.hostname and parts.port
    except ValueError:
        sane = None
    if not sane or parts.path not in ("", "/") or parts.query or parts.username:
        raise ConfigError([f"-c {address}: expected an address such as http://127.0.0.1:20001"])
    return url.rstrip("/")
