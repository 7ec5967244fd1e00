"""The life of a child process: settings in, a report out, serve, drain, end.

    python -m server.controller  <  one line of settings, then an open pipe

Standard output carries reports and nothing else; whatever libraries print goes to the log.
"""

from __future__ import annotations

import asyncio
import ctypes
import gc
import logging
import os
import resource
import signal
import socket
import sys
import threading
from collections.abc import Callable
from contextlib import suppress
from types import FrameType
from typing import IO, Final, NoReturn, TypeVar

import uvicorn
import uvloop

from server.core.errors import ShortlineError, StartError
from server.core.log import configure_logging
from server.web.asgi import ASGIApp, Receive, Scope, Send
from server.web.drain import Drain
from server.web.http1.connection import Connection
from server.wire.process import Report, RoleSettings, Told

log = logging.getLogger(__name__)

S = TypeVar("S", bound=RoleSettings)
Say = Callable[[Told], None]
Build = Callable[[S, Drain, Say, str], ASGIApp]
"""From settings, drain, the way to report progress, and the address others will reach it by."""

KEEP_ALIVE_S = 75
"""Longer than any of our clients keeps an idle connection, so that it is they who close it."""
_FAREWELL_S = 3
_PR_SET_PDEATHSIG = 1


def run(kind: type[S], build: Build[S]) -> NoReturn:
    """Be one child of the launcher until told to stop. Never returns."""
    reports = _claim_stdout()

    def say(told: Told) -> None:
        reports.write(told.model_dump_json() + "\n")
        reports.flush()

    try:
        settings = kind.model_validate_json(sys.stdin.readline())
        _die_with_parent()
        _open_as_many_files_as_allowed()
        configure_logging(settings.name, settings.log_level)
        uvloop.run(serve(settings, build, say))
    except ShortlineError as error:
        log.exception("could not start")
        say(Report(state="failed", detail=str(error)))
        sys.exit(1)
    except Exception as error:  # whatever a model's own code raises must reach the launcher
        log.exception("could not start")
        say(Report(state="failed", detail=f"{type(error).__name__}: {error}"))
        sys.exit(1)
    sys.exit(0)


async def serve(settings: S, build: Build[S], say: Say) -> None:
    """Bind, build, serve until a signal, drain. Raises `StartError`."""
    listeners = [bind(settings.host, settings.port, shared=settings.shared_port)]
    address = address_of(listeners[0])
    if settings.shared_port:  # others must be able to reach this very process
        listeners.append(bind("127.0.0.1", 0))
    own = address_of(listeners[-1])
    drain = Drain()
    app = Remembering(build(settings, drain, say, own))
    server = DrainingServer(
        uvicorn.Config(
            app,
            http=Connection,
            ws="none",
            lifespan="on",
            log_config=None,
            access_log=False,
            server_header=False,
            date_header=False,
            proxy_headers=False,
            timeout_keep_alive=KEEP_ALIVE_S,
            timeout_graceful_shutdown=_FAREWELL_S,
        ),
        drain,
        settings.drain_s,
        on_started=lambda: say(Report(state="ready", address=address, own=own)),
    )
    with suppress(SystemExit):  # uvicorn's way to say that the lifespan failed
        await server.serve(sockets=listeners)
    if not server.started:
        raise app.failure or StartError(f"{settings.name} did not start; its log says why")


class Remembering:
    """Keeps the reason of a lifespan that failed, which uvicorn only logs."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app
        self.serves: ASGIApp = getattr(app, "serves", app)
        self.failure: Exception | None = None

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        try:
            await self._app(scope, receive, send)
        except Exception as error:
            if scope["type"] == "lifespan":
                self.failure = error
            raise


class DrainingServer(uvicorn.Server):
    """Drains on the first signal, ends at once on the second, and exits with code 0."""

    def __init__(
        self,
        config: uvicorn.Config,
        drain: Drain,
        drain_s: float,
        on_started: Callable[[], None],
    ) -> None:
        super().__init__(config)
        self._drain = drain
        self._drain_s = drain_s
        self._on_started = on_started
        self._loop: asyncio.AbstractEventLoop | None = None
        self._draining: asyncio.Task[None] | None = None

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        self._loop = asyncio.get_running_loop()
        await super().startup(sockets)
        if self.started:
            _calm_collector()
            self._on_started()

    def handle_exit(self, sig: int, frame: FrameType | None) -> None:
        if self._loop is None or self._drain.begun.is_set():
            self.should_exit = self.force_exit = True
        else:
            self._loop.call_soon_threadsafe(self._begin)

    def _begin(self) -> None:
        if self._draining is None:
            self._draining = asyncio.create_task(self._finish())

    async def _finish(self) -> None:
        await self._drain.finish(self._drain_s)
        self.should_exit = True


def _calm_collector() -> None:
    """What is in memory now stays, so the garbage collector need not look at it again; and
    requests leave few cycles behind, so it need not look often. Worth 8 % of a relayed request."""
    gc.collect()
    gc.freeze()
    gc.set_threshold(20_000, 20, 20)


UNSENT_BYTES: Final = 16 * 1024
"""What the kernel takes beyond what is on its way: enough to keep a connection busy. Left alone it
takes up to 4 MiB for a client that does not read, of every such client."""


def bind(host: str, port: int, *, shared: bool = False) -> socket.socket:
    """A bound socket that does not listen yet. Raises `StartError` for a port in use.

    `shared`: other processes of this user may bind it too; the kernel spreads the connections.
    """
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    # asyncio turns Nagle's delay off only for sockets that say that they are TCP.
    listener = socket.socket(family, socket.SOCK_STREAM, socket.IPPROTO_TCP)
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    if shared:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
    if hasattr(socket, "TCP_NOTSENT_LOWAT"):  # its connections inherit it
        listener.setsockopt(socket.IPPROTO_TCP, socket.TCP_NOTSENT_LOWAT, UNSENT_BYTES)
    try:
        listener.bind((host, port))
    except OSError as error:
        listener.close()
        raise StartError(f"cannot listen on {host}:{port}: {error.strerror}") from error
    return listener


def address_of(listener: socket.socket) -> str:
    """`http://host:port` that a bound socket is reached by from this machine."""
    host, port = listener.getsockname()[:2]
    host = {"0.0.0.0": "127.0.0.1", "::": "::1"}.get(host, host)
    return f"http://[{host}]:{port}" if ":" in host else f"http://{host}:{port}"


def _claim_stdout() -> IO[str]:
    """Keep the report pipe for ourselves; everybody else's `print` goes to standard error."""
    reports = os.fdopen(os.dup(1), "w", encoding="utf-8")
    os.dup2(2, 1)
    return reports


def _open_as_many_files_as_allowed() -> None:
    """Each connection is one; the usual limit of 1,024 is for programs that use `select`."""
    _, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))


def _die_with_parent() -> None:
    """End with the launcher, even when it is killed: the kernel sees to it on Linux, and the end
    of standard input everywhere."""
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)

    def watch() -> None:
        while sys.stdin.read(4096):
            pass
        os._exit(3)

    threading.Thread(target=watch, name="parent-watch", daemon=True).start()
