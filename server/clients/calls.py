"""What is asked rarely, over the hot path's client: a short call, or a stream with limits.

Another HTTP library for it would stay in the memory of every process, and most of them hold
little else.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterator, Sequence
from contextlib import AsyncExitStack, asynccontextmanager, contextmanager
from dataclasses import dataclass

from server.clients.connection import Header
from server.clients.http import Answer, HTTPClient
from server.clients.origin import Origin
from server.core.errors import BadAnswer, ConnectFailed, CutOff
from server.core.limits import MAX_ANSWER_BYTES


@dataclass(frozen=True, slots=True)
class Said:
    status: int
    body: bytes


async def fetch(
    http: HTTPClient,
    origin: Origin,
    path: bytes,
    body: bytes = b"",
    headers: Sequence[Header] = (),
    *,
    method: bytes = b"POST",
    within_s: float,
    most_bytes: int | None = None,
) -> Said:
    """The whole answer. Raises `TransportError`, also when it is not there `within_s`, or longer
    than `most_bytes` (none said: `MAX_ANSWER_BYTES`)."""
    try:
        async with (
            asyncio.timeout(within_s),
            http.request(origin, path, body, headers, method=method) as answer,
        ):
            return Said(answer.status, await _whole(answer, most_bytes or MAX_ANSWER_BYTES))
    except TimeoutError as error:
        raise CutOff(f"no answer within {within_s:g} s") from error


@asynccontextmanager
async def begun(answer: Answer, within_s: float) -> AsyncIterator[Answer]:
    """`async with answer`, whose head must be there `within_s`."""
    async with AsyncExitStack() as stack:
        try:
            async with asyncio.timeout(within_s):
                await stack.enter_async_context(answer)
        except TimeoutError as error:
            raise CutOff(f"no answer within {within_s:g} s") from error
        yield answer


async def next_chunk(answer: Answer, within_s: float) -> bytes:
    """As `answer.chunk`, but not later than `within_s`."""
    try:
        async with asyncio.timeout(within_s):
            return await answer.chunk()
    except TimeoutError as error:
        raise CutOff(f"silent for {within_s:g} s") from error


@contextmanager
def about(peer: str) -> Iterator[None]:
    """Whom it is about, in the words of what goes wrong in the block."""
    try:
        yield
    except ConnectFailed as error:
        raise ConnectFailed(f"{peer} cannot be reached: {error}") from error
    except CutOff as error:
        raise CutOff(f"{peer} went away: {error}") from error


async def _whole(answer: Answer, most_bytes: int) -> bytes:
    body = bytearray()
    while part := await answer.chunk():
        body += part
        if len(body) > most_bytes:
            raise BadAnswer("the answer has no end")
    return bytes(body)
