"""`/admin/servers`: servers of models that join and leave while it runs.

The launcher starts a process for each and keeps the list; we tell it, and see that it has heard.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable
from pathlib import Path
from typing import Any, Final
from urllib.parse import unquote

import orjson

from server.clients.http import HTTPClient
from server.clients.joined import JoinedFile
from server.clients.servers.found import Found
from server.clients.servers.joining import HEARD_S, check_free, look_at
from server.core.errors import BadRequest, Conflict, MethodNotAllowed, NotFound
from server.core.settings import JoinedServer
from server.core.settings.server import KEY_PREFIX
from server.gateway.customers.administrators import demand_administrator
from server.gateway.fleet import Fleet
from server.ledger.key import Key
from server.web.asgi import JSON, Receive, Scope, Send, send_json, send_whole
from server.web.bodies import read_message
from server.wire.fleet import WorkerView, fleet_id
from server.wire.process import GatewayProcess, Join, Leave

log = logging.getLogger(__name__)

SERVERS: Final = "/admin/servers"
MAX_SERVER_BYTES: Final = 16 * 1024
LOOK_S: Final = 0.05
"""How often we look whether the launcher has written it down."""

Say = Callable[[Join | Leave], None]


class ServersAdmin:
    """An ASGI application for the paths at and below `SERVERS`."""

    def __init__(self, settings: GatewayProcess, fleet: Fleet, http: HTTPClient, say: Say) -> None:
        self._file = Path(settings.joined_file)
        self._configured = {server.name: server for server in settings.servers}
        self._taken = settings.taken_names
        self._id = fleet_id(settings.secret)
        self._fleet = fleet
        self._http = http
        self._say = say
        self._one_by_one = asyncio.Lock()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Raises `Forbidden` for whoever is no administrator."""
        by = demand_administrator(scope)
        path, method = scope["path"], scope["method"]
        if path == SERVERS and method == "POST":
            server = await read_message(JoinedServer, scope, receive, MAX_SERVER_BYTES, strict=True)
            document = await self._join(by, server)
            await send_whole(send, 201, [JSON], orjson.dumps(document))
        elif path == SERVERS:
            _only(method, "GET", "POST")
            await send_json(send, {"object": "list", "data": await self._all()})
        else:
            _only(method, "DELETE")
            name = unquote(path.removeprefix(f"{SERVERS}/"))
            await send_json(send, await self._leave(by, name))

    async def _all(self) -> list[dict[str, Any]]:
        joined = (await self._joined()).servers
        return [
            self._document(server, by)
            for servers, by in ((self._configured, "config"), (joined, "admin"))
            for server in servers.values()
        ]

    def _document(self, server: JoinedServer, set_by: str) -> dict[str, Any]:
        worker = self._worker_of(server.name)
        return {
            **server.model_dump(mode="json"),
            "set_by": set_by,
            "state": worker.state if worker else "absent",
            "server": worker.server if worker else "",
            "models": list(worker.models) if worker else [],
        }

    def _worker_of(self, name: str) -> WorkerView | None:
        """One that is not there has none."""
        begins = f"online_api {name}@"
        views = (worker.view for worker in self._fleet.workers())
        return next((view for view in views if view.name.startswith(begins)), None)

    async def _join(self, by: Key, server: JoinedServer) -> dict[str, Any]:
        variable = server.api_key_env
        if variable is not None and not variable.startswith(KEY_PREFIX):
            raise BadRequest(
                f"Over HTTP only variables can be named that begin with {KEY_PREFIX}: the others "
                "are secrets of something else. `startup.py join` takes any.",
                param="api_key_env",
                code="key_not_for_servers",
            )
        async with self._one_by_one:
            joined = (await self._joined()).servers
            check_free(server, (*self._configured.values(), *joined.values()), self._taken)
            found = await look_at(self._http, server, None, self._id)
            self._say(Join(join=server))
            if not await self._seen(lambda file: file.servers.get(server.name) == server):
                raise Conflict(
                    f"The launcher has not joined {server.name!r}; its log says why"
                    f"{f' (is {variable} set in configs/.env?)' if variable else ''}.",
                    code="join_refused",
                )
        log.info("server joined", extra={"server": server.name, "url": server.url, "by": by.id})
        return self._document(server, "admin") | _told(found)

    async def _leave(self, by: Key, name: str) -> dict[str, Any]:
        async with self._one_by_one:
            if name in self._configured:
                raise Conflict(
                    f"{name!r} stands in the settings; take its line out of configs/fleet.yaml.",
                    code="server_configured",
                )
            if name not in (await self._joined()).servers:
                raise NotFound(f"No server was joined by the name {name[:100]!r}.")
            self._say(Leave(leave=name))
            if not await self._seen(lambda file: name not in file.servers):
                raise Conflict(
                    f"The launcher has not let {name!r} leave; its log says why.",
                    code="join_refused",
                )
        log.info("server left", extra={"server": name, "by": by.id})
        return {"name": name, "deleted": True}

    async def _joined(self) -> JoinedFile:
        return await asyncio.to_thread(JoinedFile, self._file)

    async def _seen(self, is_so: Callable[[JoinedFile], bool]) -> bool:
        try:
            async with asyncio.timeout(HEARD_S):
                while not is_so(await self._joined()):  # noqa: ASYNC110 - a file has no event
                    await asyncio.sleep(LOOK_S)
        except TimeoutError:
            return False
        return True


def _told(found: Found | None) -> dict[str, Any]:
    """What it has said itself, before its worker is up."""
    if found is None:
        return {}
    return {"server": found.label, "models": list(found.models)}


def _only(method: str, wanted: str, *others: str) -> None:
    if method != wanted:
        raise MethodNotAllowed(wanted, *others)
