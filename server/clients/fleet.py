"""A worker's, gateway's and launcher's words with the controller.

Every call raises a `TransportError` when it fails: `ConnectFailed` if the controller is not
there, `CutOff` if it went away, `BadAnswer` if it refused or made no sense.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncGenerator, Iterator
from contextlib import aclosing, contextmanager
from random import uniform
from typing import TypeVar

from pydantic import BaseModel, SecretStr, ValidationError

from server.clients.calls import about, begun, fetch, next_chunk
from server.clients.connection import Header
from server.clients.http import HTTPClient
from server.clients.origin import Origin
from server.core.clock import Clock, SystemClock
from server.core.errors import BadAnswer, TransportError
from server.core.limits import HEARTBEAT_S, MAX_ANSWER_BYTES
from server.wire.fleet import (
    GATEWAY_ADDRESS_HEADER,
    GATEWAY_HEADER,
    LOADS_HEADER,
    LOADS_START,
    SECRET_HEADER,
    VERSION,
    Beat,
    Close,
    Dismissal,
    FleetView,
    GatewayView,
    Loads,
    Registered,
    Registration,
    Rest,
    Wake,
    WorkerRef,
)

log = logging.getLogger(__name__)

T = TypeVar("T", bound=BaseModel)

CALL_S = 2.0
"""For one call, from the connection to the last byte of its answer."""
SILENCE_S = 3 * HEARTBEAT_S
"""The controller says something every `HEARTBEAT_S`; after this long it is taken for lost."""
BACKOFF_MIN_S = 0.2
BACKOFF_MAX_S = 2.0
COMPLAIN_S = 60.0
"""The same trouble is logged once in this time."""
_JSON: Header = (b"content-type", b"application/json")


class ControllerClient:
    """Speaks the fleet protocol of `server.wire.fleet`. Close it with `aclose`."""

    def __init__(self, url: str, secret: SecretStr, *, clock: Clock | None = None) -> None:
        self.url = url.rstrip("/")
        self._peer = f"the controller at {self.url}"
        self._clock = clock or SystemClock()
        self._complained: dict[str, float] = {}
        self._origin = Origin.parse(self.url)
        self._secret: Header = (SECRET_HEADER.encode(), secret.get_secret_value().encode())
        self._http = HTTPClient()

    async def register(self, registration: Registration) -> Registered:
        return await self._tell("/fleet/register", registration)

    async def beat(self, beat: Beat) -> Registered:
        """`known=False` in the answer: register anew."""
        return await self._tell("/fleet/beat", beat)

    async def leave(self, worker: WorkerRef) -> None:
        await self._tell("/fleet/leave", worker)

    async def drain(self, worker: WorkerRef) -> None:
        """Send it no new requests."""
        await self._tell("/fleet/drain", worker)

    async def resume(self, worker: WorkerRef) -> None:
        """After `drain`: send it requests again."""
        await self._tell("/fleet/resume", worker)

    async def close_to_strangers(self) -> None:
        """The gateway demands keys now; FastChat's paths shall not be a way around them."""
        await self._tell("/fleet/close", Close())

    async def lost(self, worker: WorkerRef) -> None:
        """Its process has ended; without a generation, whatever worker is at that address."""
        await self._tell("/fleet/lost", worker)

    async def dismiss(self, name: str) -> None:
        """The process of that name has left for good."""
        await self._tell("/fleet/dismiss", Dismissal(name=name))

    async def rest(self, rest: Rest) -> None:
        """These are loaded when they are asked for."""
        await self._tell("/fleet/rest", rest)

    async def wake(self, model: str) -> bool:
        """Somebody waits for it. False: nobody can load it."""
        return (await self._tell("/fleet/wake", Wake(model=model))).known

    async def view(self) -> FleetView:
        return await self._call(FleetView, "/fleet", method=b"GET")

    async def watch(self) -> AsyncGenerator[FleetView]:
        """The fleet now and after every change, for ever: a lost connection is made anew.

        The last view may repeat, which only means that the controller is alive.
        """
        async with aclosing(self._subscribed()) as lines:
            async for line in lines:
                if isinstance(line, FleetView):
                    yield line

    async def follow(self, gateway: GatewayView) -> AsyncGenerator[FleetView | Loads]:
        """As `watch`, and loads soon after they change; the other gateways hear of `gateway`."""
        headers = (
            (GATEWAY_HEADER.encode(), gateway.id.encode()),
            (GATEWAY_ADDRESS_HEADER.encode(), gateway.address.encode()),
            (LOADS_HEADER.encode(), b"1"),
        )
        async with aclosing(self._subscribed(*headers)) as lines:
            async for line in lines:
                yield line

    async def _subscribed(self, *headers: Header) -> AsyncGenerator[FleetView | Loads]:
        wait_s = BACKOFF_MIN_S
        while True:
            try:
                async with aclosing(self._lines(*headers)) as lines:
                    async for line in lines:
                        wait_s = BACKOFF_MIN_S
                        yield line
                log.info("the controller ended the subscription", extra={"controller": self.url})
            except TransportError:  # logged where it came up
                pass
            await asyncio.sleep(uniform(wait_s / 2, wait_s))
            wait_s = min(2 * wait_s, BACKOFF_MAX_S)

    async def aclose(self) -> None:
        self._http.close()

    async def _tell(self, path: str, message: BaseModel) -> Registered:
        return await self._call(Registered, path, message.model_dump_json().encode())

    async def _call(
        self, kind: type[T], path: str, body: bytes = b"", *, method: bytes = b"POST"
    ) -> T:
        with self._complaining():
            said = await fetch(
                self._http,
                self._origin,
                path.encode(),
                body,
                (self._secret, _JSON),
                method=method,
                within_s=CALL_S,
            )
            self._check(said.status)
            return _read(kind, said.body)

    async def _lines(self, *headers: Header) -> AsyncGenerator[FleetView | Loads]:
        """Those of one connection, until it ends."""
        exchange = self._http.request(
            self._origin, b"/fleet/events", headers=(self._secret, *headers), method=b"GET"
        )
        rest = b""
        with self._complaining():
            async with begun(exchange, SILENCE_S) as answer:
                self._check(answer.status)
                while chunk := await next_chunk(answer, SILENCE_S):
                    *lines, rest = (rest + chunk).split(b"\n")
                    if len(rest) > MAX_ANSWER_BYTES:
                        raise BadAnswer("the controller sent a line without end")
                    for line in _latest(lines):
                        yield _read_line(line)

    def _check(self, status: int) -> None:
        if status == 401:
            raise BadAnswer(
                f"{self._peer} does not accept our secret: "
                "both must come from the same launcher, or share controller.secret"
            )
        if status != 200:
            raise BadAnswer(f"{self._peer} answered {status}")

    @contextmanager
    def _complaining(self) -> Iterator[None]:
        """Logs trouble: the same kind of it once a minute."""
        try:
            with about(self._peer):
                yield
        except TransportError as error:
            now = self._clock.monotonic()
            kind = type(error).__name__
            if now - self._complained.get(kind, -COMPLAIN_S) >= COMPLAIN_S:
                self._complained[kind] = now
                log.warning("trouble with the controller", extra={"reason": str(error)})
            raise


def _latest(lines: list[bytes]) -> list[bytes]:
    """The last view, and the loads that came after it."""
    whole = (at for at in range(len(lines) - 1, -1, -1) if not _is_loads(lines[at]))
    return lines[next(whole, 0) :]


def _read_line(line: bytes) -> FleetView | Loads:
    return _read(Loads, line) if _is_loads(line) else _read(FleetView, line)


def _is_loads(line: bytes) -> bool:
    return line.startswith(LOADS_START)


def _read(kind: type[T], raw: bytes) -> T:
    try:
        value = kind.model_validate_json(raw)
    except ValidationError as error:
        raise BadAnswer(f"the controller sent something that is no {kind.__name__}") from error
    version = getattr(value, "version", VERSION)
    if version != VERSION:
        raise BadAnswer(f"the controller speaks version {version} of the fleet protocol, not ours")
    return value
