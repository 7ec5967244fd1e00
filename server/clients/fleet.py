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

import httpx
from pydantic import BaseModel, SecretStr, ValidationError

from server.clients.httpx_errors import typed
from server.core.clock import Clock, SystemClock
from server.core.errors import BadAnswer, TransportError
from server.core.limits import CONNECT_S, HEARTBEAT_S, MAX_ANSWER_BYTES
from server.wire.fleet import (
    GATEWAY_ADDRESS_HEADER,
    GATEWAY_HEADER,
    SECRET_HEADER,
    VERSION,
    Beat,
    Close,
    FleetView,
    GatewayView,
    Registered,
    Registration,
    WorkerRef,
)

log = logging.getLogger(__name__)

T = TypeVar("T", bound=BaseModel)

CALL_S = 2.0
SILENCE_S = 3 * HEARTBEAT_S
"""The controller says something every `HEARTBEAT_S`; after this long it is taken for lost."""
BACKOFF_MIN_S = 0.2
BACKOFF_MAX_S = 2.0
COMPLAIN_S = 60.0
"""The same trouble is logged once in this time."""


class ControllerClient:
    """Speaks the fleet protocol of `server.wire.fleet`. Close it with `aclose`."""

    def __init__(
        self,
        url: str,
        secret: SecretStr,
        *,
        clock: Clock | None = None,
        transport: httpx.AsyncBaseTransport | None = None,
    ) -> None:
        self.url = url.rstrip("/")
        self._peer = f"the controller at {self.url}"
        self._clock = clock or SystemClock()
        self._complained: dict[str, float] = {}
        self._http = httpx.AsyncClient(
            base_url=self.url,
            headers={SECRET_HEADER: secret.get_secret_value()},
            timeout=httpx.Timeout(CALL_S, connect=CONNECT_S),
            trust_env=False,
            follow_redirects=False,
            transport=transport,
        )

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

    async def view(self) -> FleetView:
        with self._complaining():
            answer = await self._http.get("/fleet")
            self._check(answer)
            return _read(FleetView, answer.content)

    async def watch(self, gateway: GatewayView | None = None) -> AsyncGenerator[FleetView]:
        """The fleet now and after every change, for ever: a lost connection is made anew.

        The last view may repeat, which only means that the controller is alive. `gateway`: who
        asks, so that the other gateways know of it.
        """
        wait_s = BACKOFF_MIN_S
        while True:
            try:
                async with aclosing(self._views(gateway)) as views:
                    async for view in views:
                        wait_s = BACKOFF_MIN_S
                        yield view
                log.info("the controller ended the subscription", extra={"controller": self.url})
            except TransportError:  # logged where it came up
                pass
            await asyncio.sleep(uniform(wait_s / 2, wait_s))
            wait_s = min(2 * wait_s, BACKOFF_MAX_S)

    async def aclose(self) -> None:
        await self._http.aclose()

    async def _tell(self, path: str, message: BaseModel) -> Registered:
        with self._complaining():
            answer = await self._http.post(
                path,
                content=message.model_dump_json(),
                headers={"content-type": "application/json"},
            )
            self._check(answer)
            return _read(Registered, answer.content)

    async def _views(self, gateway: GatewayView | None) -> AsyncGenerator[FleetView]:
        """The views of one connection, until it ends."""
        headers = {}
        if gateway is not None:
            headers = {GATEWAY_HEADER: gateway.id, GATEWAY_ADDRESS_HEADER: gateway.address}
        rest = b""
        limits = httpx.Timeout(SILENCE_S, connect=CONNECT_S)
        with self._complaining():
            async with self._http.stream(
                "GET", "/fleet/events", timeout=limits, headers=headers
            ) as answer:
                self._check(answer)
                async for chunk in answer.aiter_raw():
                    *lines, rest = (rest + chunk).split(b"\n")
                    if len(rest) > MAX_ANSWER_BYTES:
                        raise BadAnswer("the controller sent a line without end")
                    if lines:  # only the latest counts
                        yield _read(FleetView, lines[-1])

    def _check(self, answer: httpx.Response) -> None:
        if answer.status_code == 401:
            raise BadAnswer(
                f"{self._peer} does not accept our secret: "
                "both must come from the same launcher, or share controller.secret"
            )
        if answer.status_code != 200:
            raise BadAnswer(f"{self._peer} answered {answer.status_code}")

    @contextmanager
    def _complaining(self) -> Iterator[None]:
        """Makes httpx's errors ours, and logs trouble: the same kind of it once a minute."""
        try:
            with typed(self._peer):
                yield
        except TransportError as error:
            now = self._clock.monotonic()
            kind = type(error).__name__
            if now - self._complained.get(kind, -COMPLAIN_S) >= COMPLAIN_S:
                self._complained[kind] = now
                log.warning("trouble with the controller", extra={"reason": str(error)})
            raise


def _read(kind: type[T], raw: bytes) -> T:
    try:
        value = kind.model_validate_json(raw)
    except ValidationError as error:
        raise BadAnswer(f"the controller sent something that is no {kind.__name__}") from error
    version = getattr(value, "version", VERSION)
    if version != VERSION:
        raise BadAnswer(f"the controller speaks version {version} of the fleet protocol, not ours")
    return value
