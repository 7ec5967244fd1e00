"""A crowd of clients asking for the same thing over and over, and what came of it."""

from __future__ import annotations

import asyncio
from collections import Counter
from time import perf_counter

from benchmarks.gateway.answers import bursts, fault, request_body, whole_answer
from benchmarks.gateway.client import Client
from benchmarks.gateway.messages import Ask, Job, Tally
from server.clients.origin import Origin

PATIENCE_S = 30.0
"""Beyond a round's seconds, for the answers under way."""
_LOOK_S = 0.25
_AFTER_FAILURE_S = 0.05


class Round:
    """Requests of one kind until a time or a number is reached."""

    def __init__(self, job: Job, ask: Ask, *, seconds: float, requests: int) -> None:
        self._ask = ask
        self._exact = job.exact
        self._stall_s = job.stall_s
        self._expected = b"".join(bursts(ask)) if ask.stream else whole_answer(ask)
        self._origin = Origin.parse(job.url)
        self._request = _message(self._origin.authority, request_body(ask), job.key)
        self._seconds = seconds
        self._left = requests
        self._clients: list[Client] = []
        self._active = 0
        self._over = asyncio.Event()
        self._tasks: set[asyncio.Task[None]] = set()
        self._total_us: list[int] = []
        self._first_us: list[int] = []
        self._errors: Counter[str] = Counter()
        self._stalls = 0
        self._tokens = 0

    async def run(self, clients: list[Client]) -> Tally:
        begun_s = perf_counter()
        self._deadline_s = begun_s + self._seconds
        self._clients = clients
        self._active = len(clients)
        loop = asyncio.get_running_loop()
        for number, client in enumerate(clients):
            client.watcher = self
            # Streams in step would have all their tokens at one instant.
            loop.call_later(self._ask.every_ms / 1000 * number / len(clients), self._next, client)
        try:
            async with asyncio.timeout(self._seconds + PATIENCE_S):
                while not self._over.is_set():
                    await self._look()
        except TimeoutError:
            self._errors["unfinished"] += self._active
        for client in clients:
            client.watcher = None
        for task in self._tasks:
            task.cancel()
        return self._tally(perf_counter() - begun_s)

    def _tally(self, seconds: float) -> Tally:
        return Tally(
            seconds=seconds,
            requests=len(self._total_us),
            tokens=self._tokens,
            total_us=tuple(self._total_us),
            first_us=tuple(self._first_us),
            errors=dict(self._errors),
            stalls=self._stalls,
        )

    async def _look(self) -> None:
        """Wait a moment; give up answers that have stalled."""
        try:
            async with asyncio.timeout(_LOOK_S):
                await self._over.wait()
        except TimeoutError:
            now_s = perf_counter()
            for client in self._clients:
                if client.busy and now_s - client.heard_s > self._stall_s:
                    client.stalled = True
                    client.abort()

    def answered(self, client: Client, body: bytes) -> None:
        wrong = fault(self._ask, self._expected, body, exact=self._exact)
        if wrong is not None:
            self.failed(client, wrong)
            return
        self._total_us.append(round((client.heard_s - client.asked_s) * 1e6))
        self._first_us.append(round((client.first_s - client.asked_s) * 1e6))
        self._tokens += self._ask.events if self._ask.stream else 0
        self._next(client)

    def failed(self, client: Client, reason: str) -> None:
        if client.stalled:
            self._stalls += 1
        else:
            self._errors[reason] += 1
        self._recover(client)

    def _next(self, client: Client) -> None:
        if self._left <= 0 or perf_counter() >= self._deadline_s:
            self._active -= 1
            if not self._active:
                self._over.set()
        elif client.connected:
            self._left -= 1
            client.ask(self._request)
        else:
            self._recover(client)

    async def _after_failure(self, client: Client) -> None:
        await asyncio.sleep(_AFTER_FAILURE_S)
        try:
            if not client.connected:
                await connect(client, self._origin)
        except OSError:
            self._errors["connection refused"] += 1
        self._next(client)

    def _recover(self, client: Client) -> None:
        task = asyncio.create_task(self._after_failure(client))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)


async def connect(client: Client, origin: Origin) -> None:
    loop = asyncio.get_running_loop()
    await loop.create_connection(lambda: client, origin.host, origin.port)


def _message(authority: bytes, body: bytes, key: str) -> bytes:
    head = (
        b"POST /v1/chat/completions HTTP/1.1\r\nhost: %b\r\n%b"
        b"content-type: application/json\r\ncontent-length: %d\r\n\r\n"
    )
    proof = f"authorization: Bearer {key}\r\n" if key else ""
    return head % (authority, proof.encode(), len(body)) + body
