"""What every request meets first, in every process: an id, the guards, the error envelope."""

from __future__ import annotations

import logging
import re
from collections.abc import Callable, Iterable
from ipaddress import ip_address

from pydantic import SecretStr

from server.core.errors import Forbidden, Internal, RequestError, Unauthorized, Unavailable
from server.core.ids import new_id
from server.core.secrets import same_secret
from server.core.settings import ServerSettings, is_wildcard
from server.web.asgi import (
    ASGIApp,
    ClientLeft,
    Header,
    Receive,
    Scope,
    Send,
    Served,
    first_of,
    found_in,
    header,
    send_json,
    send_problem,
    served_by,
)
from server.web.drain import Drain
from server.web.http1.answer_head import lines_of
from server.web.origins import Origins, is_preflight, send_permission

log = logging.getLogger(__name__)

Check = Callable[[Scope], None]
"""Raises a `RequestError` for a request that may not come in."""

_HEALTH = frozenset({"/livez", "/readyz"})
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
        headers: tuple[Header, ...] = (),
        refused: Callable[[Scope, RequestError], None] = lambda scope, error: None,
        turned_away: Callable[[int, str], None] = lambda status, code: None,
    ) -> None:
        """`origins`: web pages that may call; none may without it.

        `ready` says what is missing, None for nothing; `uncounted` paths may stay open; `headers`
        are on every answer. `refused` hears of each request that ends in an error here, and
        `turned_away` of each answer (its status and code) that the server gave in our place.
        """
        self.app = app
        self.drain = drain
        self.checks = tuple(checks)
        self.origins = origins or Origins()
        self.ready = ready
        self.refused = refused
        self.turned_away = turned_away
        self.uncounted = uncounted
        self._unheeded = Drain()
        """Counts those, for nobody."""
        self._lines = lines_of(headers)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        answer = served_by(send)
        if answer is None or scope["path"] in _HEALTH:
            await self._serve_apart(scope, receive, send, answer)
            return
        said: dict[bytes, bytes] = scope["headers"].first
        offered_id = said.get(b"x-request-id")
        request_id = new_id("req") if offered_id is None else _id_of(offered_id)
        scope["state"]["request_id"] = request_id
        answer.more_lines = b"\r\nx-request-id: " + request_id.encode() + self._lines
        drain = self._unheeded if scope["path"] in self.uncounted else self.drain
        drain.in_flight += 1
        try:
            if b"origin" in said and await self._has_told_page(scope, send, answer):
                return
            if self.drain.is_ending:
                raise Unavailable("This server is shutting down.", retry_after_s=1)
            for check in self.checks:
                check(scope)
            await self.app(scope, receive, send)
        except ClientLeft:
            log.info("client left", extra={"request_id": request_id, "path": scope["path"]})
        except Exception as error:
            if answer.is_answered:
                raise
            problem = _problem_of(error, request_id)
            self.refused(scope, problem)
            await send_problem(send, problem, request_id)
        finally:
            drain.ended()

    async def _has_told_page(self, scope: Scope, send: Send, answer: Served) -> bool:
        """Whether a web page, for which a browser speaks, asked only if it may, and knows now.

        Raises `Forbidden` for one that may not.
        """
        answer.more_lines += lines_of(self.origins.headers(scope))
        self.origins.check(scope)
        if not is_preflight(scope):
            return False
        await send_permission(scope, send)
        return True

    async def _serve_apart(
        self, scope: Scope, receive: Receive, send: Send, answer: Served | None
    ) -> None:
        """What is no request, and who asks how we are."""
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        if answer is None:
            raise RuntimeError("an Edge is served by our own HTTP server (server/web/http1) only")
        answer.more_lines = self._lines
        missing = "shutting down" if self.drain.is_ending else self.ready()
        if scope["path"] == "/livez" or missing is None:
            await send_json(send, {"status": "ok"})
        else:
            await send_json(send, {"status": "degraded", "missing": missing}, 503)


def _problem_of(error: Exception, request_id: str) -> RequestError:
    """What the client hears of it; the log hears the rest."""
    if isinstance(error, RequestError):
        return error
    log.exception("request failed", extra={"request_id": request_id})
    return Internal(f"Something went wrong here; the log knows it as {request_id}.")


def known_host(settings: ServerSettings) -> Check:
    """Refuses a `Host` that is not ours, so that a web page cannot reach us by DNS rebinding.

    That attack needs a name: a port that listens on all addresses may be asked for by any of them.
    """
    ours = ("localhost", "127.0.0.1", "::1", settings.host, *settings.allowed_hosts)
    names = {_host_name(name) for name in ours}
    anything = "*" in names
    any_address = is_wildcard(settings.host)

    def find(headers: Iterable[Header]) -> None:
        host = first_of(headers, b"host") or b""
        check_host(host.decode("latin-1").lower())

    def check_host(host: str) -> None:
        name = _without_port(host)
        if anything or name in names or _host_name(name) in names:
            return
        if not (any_address and _is_address(name)):
            raise Forbidden(
                "This host name is not served here; the setting allowed_hosts can name it.",
                code="bad_host",
            )

    return lambda scope: found_in(scope["headers"], find)


def internal_secret(secret: SecretStr, *, header_name: str) -> Check:
    """Demands the fleet's own secret: only our processes may call here."""
    name = header_name.encode()

    def check(scope: Scope) -> None:
        offered = (header(scope, name) or b"").decode("latin-1")
        if not same_secret(offered, secret):
            raise Unauthorized("This port is for the fleet's own processes.", code="bad_secret")

    return check


def request_id_of(scope: Scope) -> str:
    request_id: str = scope["state"]["request_id"]
    return request_id


def _id_of(offered: bytes) -> str:
    """The client's own name for its request, or one of ours if that is not well formed."""
    return offered.decode() if _REQUEST_ID.fullmatch(offered) else new_id("req")


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
