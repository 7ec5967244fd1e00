"""The load generator: `python -m benchmarks.gateway.load`, jobs in, tallies out.

Closed loop: each client has one connection and one request in flight. A job's line is answered by
`Ready`; then a line with `go` starts the clock and a `Tally` ends it.
"""

from __future__ import annotations

import asyncio
import sys
from contextlib import suppress

import uvloop

from benchmarks.gateway.client import Client
from benchmarks.gateway.messages import Frozen, Job, Ready
from benchmarks.gateway.round import Round, connect
from server.clients.origin import Origin

WARM_S = 10.0


async def work() -> None:
    while line := await _line():
        job = Job.model_validate_json(line)
        clients = [Client() for _ in range(job.clients)]
        try:
            await warm(job, clients)
            _say(Ready())
            await _line()
            round_ = Round(job, job.ask, seconds=job.seconds, requests=job.max_requests)
            _say(await round_.run(clients))
        finally:
            for client in clients:
                client.abort()


async def warm(job: Job, clients: list[Client]) -> None:
    """Connect, and ask a little so that every pool behind has its connections too."""
    origin = Origin.parse(job.url)
    for client in clients:
        with suppress(OSError):  # the round tries again, and counts what fails
            await connect(client, origin)
    requests = job.warm * job.clients
    await Round(job, job.ask.unpaced(), seconds=WARM_S, requests=requests).run(clients)


async def _line() -> str:
    return await asyncio.to_thread(sys.stdin.readline)


def _say(message: Frozen) -> None:
    print(message.model_dump_json(), flush=True)


if __name__ == "__main__":
    uvloop.run(work())
