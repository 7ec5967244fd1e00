"""The load generator: `python -m benchmarks.chat.load`, jobs in, tallies out.

A job's line is answered by `Ready` once all clients are connected; a line with `go` starts it.
"""

from __future__ import annotations

import asyncio
import sys
from collections import Counter
from dataclasses import dataclass, field
from time import perf_counter

import uvloop

from benchmarks.chat.asks import NotWhole, read_stream
from benchmarks.chat.messages import Job, Seen, Tally, Target
from benchmarks.gateway.client import Client
from benchmarks.gateway.messages import Frozen, Ready
from benchmarks.gateway.round import connect
from server.clients.origin import Origin

LIMIT_S = 120.0
"""For one answer."""


class Failed(Exception):
    """There was no answer with status 200."""


class Caller:
    """One connection to one origin, and a request to wait for."""

    def __init__(self, origin: Origin) -> None:
        self.client = Client()
        self.client.watcher = self
        self._origin = origin
        self._answer: asyncio.Future[bytes] | None = None

    async def open(self) -> None:
        if not self.client.connected:
            await connect(self.client, self._origin)

    async def ask(self, message: bytes) -> bytes:
        """The answer's body. Raises `Failed` or `TimeoutError`."""
        await self.open()
        self._answer = asyncio.get_running_loop().create_future()
        self.client.ask(message)
        async with asyncio.timeout(LIMIT_S):
            return await self._answer

    def answered(self, client: Client, body: bytes) -> None:
        if self._answer is not None and not self._answer.done():
            self._answer.set_result(body)

    def failed(self, client: Client, reason: str) -> None:
        if self._answer is not None and not self._answer.done():
            self._answer.set_exception(Failed(reason))


@dataclass(slots=True)
class Record:
    """What comes of the requests to one target."""

    target: Target
    message: bytes
    first_us: list[int] = field(default_factory=list)
    total_us: list[int] = field(default_factory=list)
    bodies: list[bytes] = field(default_factory=list)
    errors: Counter[str] = field(default_factory=Counter)

    async def take(self, caller: Caller) -> None:
        try:
            body = await caller.ask(self.message)
        except (Failed, OSError, TimeoutError) as error:
            self.errors[str(error) or type(error).__name__] += 1
            caller.client.abort()
            return
        client = caller.client
        self.first_us.append(round((client.first_s - client.asked_s) * 1e6))
        self.total_us.append(round((client.heard_s - client.asked_s) * 1e6))
        self.bodies.append(body)

    def seen(self) -> Seen:
        """Reads the answers, which is left for the end because it takes a core that others need."""
        frames = 0
        for body in self.bodies:
            try:
                texts = read_stream(self.target.speech, body)
            except (NotWhole, ValueError, KeyError) as error:
                self.errors[str(error)] += 1
                continue
            if "".join(texts) != self.target.text:
                self.errors["not the whole text"] += 1
            frames += len(texts)
        return Seen(
            name=self.target.name,
            first_us=tuple(self.first_us),
            total_us=tuple(self.total_us),
            frames=frames,
            errors=dict(self.errors),
        )


async def work() -> None:
    while line := await _line():
        job = Job.model_validate_json(line)
        records = [Record(target, _message(target)) for target in job.targets]
        crowd = [_callers(records) for _ in range(job.clients)]
        try:
            for callers in crowd:
                for caller in callers.values():
                    await caller.open()
            _say(Ready())
            await _line()
            _say(await _play(job, records, crowd))
        finally:
            for callers in crowd:
                for caller in callers.values():
                    caller.client.abort()


async def _play(job: Job, records: list[Record], crowd: list[dict[str, Caller]]) -> Tally:
    async def one(number: int, callers: dict[str, Caller]) -> None:
        await asyncio.sleep(job.spread_s * number / job.clients)
        for _ in range(job.requests):
            for record in records:
                await record.take(callers[record.target.url])

    begun_s = perf_counter()
    await asyncio.gather(*(one(number, callers) for number, callers in enumerate(crowd)))
    seconds = perf_counter() - begun_s
    return Tally(seconds=seconds, seen=tuple(record.seen() for record in records))


def _callers(records: list[Record]) -> dict[str, Caller]:
    return {r.target.url: Caller(Origin.parse(r.target.url)) for r in records}


def _message(target: Target) -> bytes:
    authority, body = Origin.parse(target.url).authority, target.body.encode()
    method, path = (b"POST" if body else b"GET"), target.path.encode()
    head = (
        b"%b %b HTTP/1.1\r\nhost: %b\r\n"
        b"content-type: application/json\r\ncontent-length: %d\r\n\r\n"
    )
    return head % (method, path, authority, len(body)) + body


async def _line() -> str:
    return await asyncio.to_thread(sys.stdin.readline)


def _say(message: Frozen) -> None:
    print(message.model_dump_json(), flush=True)


if __name__ == "__main__":
    uvloop.run(work())
