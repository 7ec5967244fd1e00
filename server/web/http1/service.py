"""What all connections of one server share."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable
from math import inf
from typing import Any

import uvicorn
from uvicorn.server import ServerState

from server.core.limits import MAX_CONNECTIONS, MAX_UNREAD_BYTES
from server.web.asgi import ASGIApp
from server.web.http1.deadline import limits_s
from server.web.http1.heads import Heads

try:
    import resource
except ImportError:  # Windows has no such limit
    resource = None  # type: ignore[assignment]

log = logging.getLogger(__name__)

_SPARE_FILES = 64
_COMPLAINT_S = 60.0
"""Strangers do not fill the log."""


class Service:
    """Of a `uvicorn.Config`, it heeds the application, `root_path`, `timeout_keep_alive` and the
    headers for every answer. There are no access log and no TLS."""

    __slots__ = (
        "_complained", "app", "app_state", "connections", "heads", "held_bytes", "limits_s", "loop",
        "most", "root_path", "state", "tasks", "turned_away", "unread_bytes",
    )  # fmt: skip

    def __init__(
        self, config: uvicorn.Config, state: ServerState, app_state: dict[str, Any]
    ) -> None:
        if not config.loaded:
            config.load()
        app = config.loaded_app
        self.app: ASGIApp = getattr(app, "serves", app)  # without what is there for the lifespan
        self.turned_away: Callable[[int, str], None] = getattr(self.app, "turned_away", _nobody)
        """Hears the status and the code of each answer that the application did not give."""
        self.app_state = app_state
        self.root_path = config.root_path
        self.limits_s = limits_s(config.timeout_keep_alive)
        self.heads = Heads()
        self.state = state
        self.connections: set[Any] = state.connections
        self.tasks = state.tasks
        self.loop = asyncio.get_running_loop()
        self.most = most_connections()
        self.held_bytes = 0
        """Of request bodies that the application keeps."""
        self.unread_bytes = 0
        """Of request bodies, received and not yet taken by the application."""
        self._complained = -inf

    @property
    def is_swamped(self) -> bool:
        return self.unread_bytes > MAX_UNREAD_BYTES

    def complain(self) -> None:
        """Tell the operator, now and then, that clients are turned away."""
        now = self.loop.time()
        if now - self._complained >= _COMPLAINT_S:
            self._complained = now
            log.warning("too many connections", extra={"open": len(self.connections)})


def _nobody(status: int, code: str) -> None:
    """Who wants to know."""


def service_of(config: uvicorn.Config, state: ServerState, app_state: dict[str, Any]) -> Service:
    """The one for this server, which keeps it; its first connection makes it."""
    service: Service | None = getattr(state, "shortline", None)
    if service is None:
        service = Service(config, state, app_state)
        setattr(state, "shortline", service)  # noqa: B010 - it has no such field
    return service


def most_connections() -> int:
    """As many as promised, or as there are file descriptors for: an answer may need one more, and
    so do files and pipes."""
    if resource is None:
        return MAX_CONNECTIONS
    files = resource.getrlimit(resource.RLIMIT_NOFILE)[0]
    if files == resource.RLIM_INFINITY:
        return MAX_CONNECTIONS
    return max(1, min(MAX_CONNECTIONS, files - max(_SPARE_FILES, files // 4)))
