"""What every request meets first, in every process: an id, the guards, the error envelope."""

from __future__ import annotations

import logging
import re
from collections.abc import Callable, Iterable
from ipaddress import ip_address
from typing import Any

from pydantic import SecretStr

from server.core.errors import Forbidden, Internal, RequestError, Unauthorized, Unavailable
from server.core.ids import new_id
from server.core.secrets import same_secret
from server.core.settings import ServerSettings, is_wildcard
from server.web.asgi import (
    ASGIApp,
    ClientLeft,
    Header,
    Message,
    Receive,
    Scope,
    Send,
    header,
    send_json,
    send_problem,
)
from server.web.drain import Drain
from server.web.origins import Origins, is_preflight, send_permission

log = logging.getLogger(__name__)

Check = Callable[[Scope], None]
"""Raises a `RequestError` for a request that may not come in."""

_REQUEST_ID = re.compile(rb"[A-Za-z0-9._-]{1,128}")


class Edge:
    """The outermost ASGI layer.

    Gives every request an id (the client's own `x-request-id` if it is well formed), refuses what
    a check refuses, counts it for the drain, and turns a `RequestError` into JSON. `/livez` and
    `/readyz` are answered here, before any check.
    """

    def __init__(
        self,
        app: ASGIApp,
        drain: Drain,
        checks: Iterable[Check] = (),
        *,
        origins: Origins | None = None,
        ready: Callable[[], str | None] = lambda: None,
        uncounted: frozenset[str] = frozenset(),
    ) -> None:
        """`origins`: web pages that may call; none may without it.

        `ready` says what is missing, None for nothing; `uncounted` paths may stay open.
        """
        self.app = app
        self.drain = drain
        self.checks = tuple(checks)
        self.origins = origins or Origins()
        self.ready = ready
        self.uncounted = uncounted

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self.app(scope, receive, send)
        elif scope["path"] in ("/livez", "/readyz"):
            await self._health(scope, send)
        elif scope["path"] in self.uncounted:
            await self._serve(scope, receive, send)
        else:
            with self.drain.counted():
                await self._serve(scope, receive, send)

    async def _serve(self, scope: Scope, receive: Receive, send: Send) -> None:
        request_id = _request_id(scope)
        scope.setdefault("state", {})["request_id"] = request_id
        answer = _Answer(send, request_id, self.origins.headers(scope))
        try:
            self.origins.check(scope)
            if is_preflight(scope):
                await send_permission(scope, answer.send)
                return
            self._admit(scope)
            await self.app(scope, receive, answer.send)
        except ClientLeft:
            log.info("client left", extra={"request_id": request_id, "path": scope["path"]})
        except RequestError as error:
            if answer.started:
                raise
            await send_problem(answer.send, error, request_id)
        except Exception:
            if answer.started:
                raise
            log.exception("request failed", extra={"request_id": request_id})
            problem = Internal(f"Something went wrong here; the log knows it as {request_id}.")
            await send_problem(answer.send, problem, request_id)

    def _admit(self, scope: Scope) -> None:
        if self.drain.begun.is_set():
            raise Unavailable("This server is shutting down.", retry_after_s=1)
        for check in self.checks:
            check(scope)

    async def _health(self, scope: Scope, send: Send) -> None:
        missing = "shutting down" if self.drain.begun.is_set() else self.ready()
        if scope["path"] == "/livez" or missing is None:
            await send_json(send, {"status": "ok"})
        else:
            await send_json(send, {"status": "degraded", "missing": missing}, 503)


class _Answer:
    """Adds to the head of an answer, and knows whether it has been sent."""

    __slots__ = ("_headers", "_send", "started")

    def __init__(self, send: Send, request_id: str, headers: tuple[Header, ...]) -> None:
        self._send = send
        self._headers = ((b"x-request-id", request_id.encode()), *headers)
        self.started = False

    async def send(self, message: Message) -> None:
        if not self.started and message["type"] == "http.response.start":
            self.started = True
            message["headers"] = [*message.get("headers", ()), *self._headers]
        await self._send(message)


def known_host(settings: ServerSettings) -> Check:
    """Refuses a `Host` that is not ours, so that a web page cannot reach us by DNS rebinding.

    That attack needs a name: a port that listens on all addresses may be asked for by any of them.
    """
    ours = ("localhost", "127.0.0.1", "::1", settings.host, *settings.allowed_hosts)
    names = {_host_name(name) for name in ours}
    anything = "*" in names
    any_address = is_wildcard(settings.host)

    def check(scope: Scope) -> None:
        host = (header(scope, b"host") or b"").decode("latin-1").lower()
        name = _without_port(host)
        if anything or name in names or _host_name(name) in names:
            return
        if not (any_address and _is_address(name)):
            raise Forbidden(
                "This host name is not served here; the setting allowed_hosts can name it.",
                code="bad_host",
            )

    return check


def internal_secret(secret: SecretStr, *, header_name: str) -> Check:
    """Demands the fleet's own secret: only our processes may call here."""
    name = header_name.encode()

    def check(scope: Scope) -> None:
        offered = (header(scope, name) or b"").decode("latin-1")
        if not same_secret(offered, secret):
            raise Unauthorized("This port is for the fleet's own processes.", code="bad_secret")

    return check


def request_id_of(scope: Scope) -> str:
    state: dict[str, Any] = scope["state"]
    request_id: str = state["request_id"]
    return request_id


def _request_id(scope: Scope) -> str:
    offered = header(scope, b"x-request-id")
    if offered is not None and _REQUEST_ID.fullmatch(offered):
        return offered.decode()
    return new_id("req")


def _host_name(name: str) -> str:
    """As it stands in a `Host` header, in the one spelling it has here."""
    if not _is_address(name):
        return name.lower()
    address = ip_address(name.strip("[]"))
    return f"[{address}]" if address.version == 6 else str(address)


def _is_address(name: str) -> bool:
    try:
        ip_address(name.strip("[]"))
    except ValueError:
        return False
    return True


def _without_port(host: str) -> str:
    if host.startswith("["):
        return host.partition("]")[0] + "]"
    return host.partition(":")[0]
