"""A client that follows a response without holding it up: its events, wherever they are made."""

from __future__ import annotations

from collections.abc import AsyncGenerator
from contextlib import aclosing
from typing import Final

from server.core.errors import RequestError
from server.core.limits import WHOLE_REQUEST_S, WRITE_STALL_S
from server.gateway.dialects.kept.listing import query_of
from server.gateway.dialects.responses.making import written
from server.web.asgi import EVENT_STREAM, Receive, Scope, Send
from server.web.drain import Drain
from server.web.patience import Patience
from server.wire.openai_refusals import bad

MAX_DIGITS: Final = 9


def first_event(scope: Scope) -> int | None:
    """The number of the event from which on a response is wanted as a stream; None: it is wanted
    whole. Raises `BadRequest`."""
    said = query_of(scope)
    if said.get("stream", "false").lower() != "true":
        return None
    after = said.get("starting_after", "")
    if not after:
        return 0
    if not (after.isascii() and after.isdigit() and len(after) <= MAX_DIGITS):
        raise bad("starting_after", "it is the sequence_number of an event")
    return int(after) + 1


async def follow(
    pieces: AsyncGenerator[bytes, None], drain: Drain, receive: Receive, send: Send
) -> None:
    """Tell a client of `pieces`, as long as it listens; what makes them goes on without it."""
    try:
        with Patience(receive, drain, WHOLE_REQUEST_S) as limit:
            head = {"status": 200, "headers": [*EVENT_STREAM]}
            await send({"type": "http.response.start", **head})
            async with aclosing(pieces):
                async for piece in pieces:
                    limit.allow(WRITE_STALL_S, "client")
                    await send(_body(piece, more=True))
                    limit.allow(WHOLE_REQUEST_S)
            await send(_body(b""))
    except RequestError as error:  # its time is up, or the server ends
        told = {"type": "error", "code": error.code, "param": None, "message": error.message}
        await send(_body(written([told], 0)))


def _body(piece: bytes, *, more: bool = False) -> dict[str, object]:
    return {"type": "http.response.body", "body": piece, "more_body": more}
