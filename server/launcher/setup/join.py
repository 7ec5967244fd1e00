"""How this launcher's processes meet a controller: a new one of ours, or one that runs already."""

from __future__ import annotations

import socket
from urllib.parse import urlsplit

from pydantic import SecretStr

from server.core.errors import ConfigError
from server.core.ids import new_secret
from server.core.settings import ControllerSettings, is_loopback
from server.launcher.wanted import Wanted

SECRET_VARIABLE = "SHORTLINE_CONTROLLER__SECRET"


def controller_url(wanted: Wanted, own: ControllerSettings) -> str:
    """Where to find the controller that is joined; empty if we start one ourselves.

    Raises `ConfigError`.
    """
    if wanted.controller:
        return ""
    if wanted.join is None and own.port == 0:
        raise ConfigError(["which controller? Give its address with -c, as http://host:port"])
    if wanted.join is None:
        host = f"[{own.host}]" if ":" in own.host else own.host
        return f"http://{host}:{own.port}"
    return _normalised(wanted.join)


def fleet_secret(wanted: Wanted, own: ControllerSettings) -> SecretStr:
    """Raises `ConfigError` when a controller is joined whose secret is not known."""
    if own.secret is not None:
        return own.secret
    if wanted.controller:
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
