"""`/admin/keys` and `/admin/usage`, for whoever has an administrator's key."""

from __future__ import annotations

import asyncio
import logging
from typing import Any, Final
from urllib.parse import parse_qs

import orjson

from server.core.clock import Clock
from server.core.errors import BadRequest, MethodNotAllowed, NotFound
from server.gateway.customers.administrators import demand_administrator
from server.gateway.customers.customers import Customers
from server.ledger.budget import DAY_S, spent
from server.ledger.documents import key_document, usage_document
from server.ledger.key import Key
from server.ledger.ledger import Ledger
from server.ledger.new_key import NewKey
from server.ledger.usage import KEEP_DAYS
from server.web.asgi import JSON, Receive, Scope, Send, send_json, send_whole
from server.web.bodies import read_message

log = logging.getLogger(__name__)

KEYS: Final = "/admin/keys"
USAGE: Final = "/admin/usage"
MAX_KEY_BYTES: Final = 64 * 1024
"""Of the wish for a key."""
_SECRET: Final = [JSON, (b"cache-control", b"no-store")]


class KeysAdmin:
    """An ASGI application for the paths at and below `KEYS` and `USAGE`."""

    def __init__(self, ledger: Ledger, customers: Customers, clock: Clock) -> None:
        self._ledger = ledger
        self._customers = customers
        self._clock = clock

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Raises `Forbidden` for everybody else, whatever they ask for."""
        by = demand_administrator(scope)
        path, method = scope["path"], scope["method"]
        if path == KEYS and method == "POST":
            await self._create(by, scope, receive, send)
        elif path == KEYS:
            _only(method, "GET", "POST")
            await send_json(send, await self._keys())
        elif path == USAGE:
            _only(method, "GET")
            await send_json(send, await self._usage(_days(scope)))
        elif path.startswith(f"{KEYS}/"):
            _only(method, "DELETE")
            await send_json(send, await self._revoke(by, path.removeprefix(f"{KEYS}/")))
        else:
            raise NotFound("There is nothing at this path.")

    async def _keys(self) -> dict[str, Any]:
        now = self._clock.wall()
        await self._customers.sync()
        keys = await asyncio.to_thread(self._ledger.all_keys)
        used = spent(await asyncio.to_thread(self._ledger.leases, int(now // DAY_S)), now)
        return {"object": "list", "data": [key_document(x, now, used.get(x.id, 0)) for x in keys]}

    async def _create(self, by: Key, scope: Scope, receive: Receive, send: Send) -> None:
        wish = await read_message(NewKey, scope, receive, MAX_KEY_BYTES, strict=True)
        now = self._clock.wall()
        if wish.expires is not None and wish.expires <= now:
            raise BadRequest("This moment is over.", param="expires")
        key, text = await asyncio.to_thread(self._ledger.create_key, wish, now)
        await self._customers.sync()
        log.info("key created", extra={"key": key.id, "key_name": key.name, "by": by.id})
        document = key_document(key, now) | {"key": text}
        await send_whole(send, 201, _SECRET, orjson.dumps(document))

    async def _revoke(self, by: Key, id: str) -> dict[str, Any]:
        if not id.startswith("key-"):
            raise NotFound("A key is revoked by its id, which begins with key-.")
        now = self._clock.wall()
        key = await asyncio.to_thread(self._ledger.revoke_key, id, now)
        await self._customers.sync()
        log.info("key revoked", extra={"key": key.id, "key_name": key.name, "by": by.id})
        return key_document(key, now)

    async def _usage(self, days: int) -> dict[str, Any]:
        await self._customers.sync()
        today = int(self._clock.wall() // DAY_S)
        names = {key.id: key.name for key in await asyncio.to_thread(self._ledger.all_keys)}
        found = await asyncio.to_thread(self._ledger.usage, today - days + 1)
        return {"object": "list", "data": [usage_document(x, names) for x in found]}


def _only(method: str, wanted: str, *others: str) -> None:
    if method != wanted:
        raise MethodNotAllowed(wanted, *others)


def _days(scope: Scope) -> int:
    """`?days=`: today and so many days before, less one."""
    query = parse_qs(scope["query_string"].decode("latin-1"), keep_blank_values=True)
    if not query:
        return 7
    given = query.get("days", [])
    text = given[0] if len(given) == 1 and len(query) == 1 else ""
    if not (text.isascii() and text.isdigit() and len(text) <= 4 and 1 <= int(text) <= KEEP_DAYS):
        raise BadRequest(f"?days= takes a whole number from 1 to {KEEP_DAYS}.", param="days")
    return int(text)
