"""Whether a server can join: said by whoever is asked to join it, before anything has changed."""

from __future__ import annotations

from collections.abc import Collection, Iterable
from typing import Final
from urllib.parse import urlsplit

from pydantic import SecretStr

from server.clients.http import HTTPClient
from server.clients.origin import Origin
from server.clients.servers.asking import Server
from server.clients.servers.found import Found
from server.core.errors import BadAnswer as NotAServer
from server.core.errors import BadRequest, Conflict, KeyRefused, OwnGateway, TransportError
from server.core.settings import JoinedServer

HEARD_S: Final = 5.0
"""How long the launcher may take to write down that a server has joined or left."""


def check_free(
    server: JoinedServer, others: Iterable[JoinedServer], names: Collection[str]
) -> None:
    """`names`: those of providers. Raises `Conflict`."""
    for other in others:
        if _place(other.url) == _place(server.url):
            raise Conflict(
                f"{server.url} has joined already, as {other.name!r}.", code="server_joined"
            )
        if other.name == server.name:
            names = {*names, other.name}
    if server.name in names:
        raise Conflict(
            f"The name {server.name!r} is taken; give the server another one.",
            code="server_name_taken",
        )


def _place(url: str) -> str:
    """The same for all names of this machine's loopback."""
    parts = urlsplit(url)
    host = "127.0.0.1" if parts.hostname in ("localhost", "::1") else parts.hostname or ""
    return f"{parts.scheme}://{host}:{parts.port}{parts.path}"


async def look_at(
    http: HTTPClient, server: JoinedServer, key: SecretStr | None, fleet: str
) -> Found | None:
    """What it is. None: it wants a key, and that which `server` names is not known here.

    `fleet`: `fleet_id` of ours. Raises `BadRequest` and `Conflict` that say why it cannot join.
    """
    origin = Origin.parse(server.url)
    try:
        return await Server(http, origin, fleet, key).ask()
    except KeyRefused as error:
        if key is None and server.api_key_env is not None:
            return None
        raise BadRequest(f"{error}.", param="api_key_env", code="server_key_refused") from error
    except OwnGateway as error:
        raise Conflict(f"{error}.", code="own_gateway") from error
    except NotAServer as error:
        raise BadRequest(f"{error}.", param="url", code="not_a_model_server") from error
    except TransportError as error:
        raise BadRequest(f"{error}.", param="url", code="server_unreachable") from error
    finally:
        http.forget(origin)
        http.forget(origin._replace(base_path=origin.base_path.removesuffix("/v1")))
