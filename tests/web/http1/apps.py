"""Small applications for a server to serve."""

from __future__ import annotations

import asyncio

import orjson

from server.web.asgi import ASGIApp, Message, Receive, Scope, Send

START: Message = {"type": "http.response.start", "status": 200, "headers": []}


def start(status: int = 200, *headers: tuple[bytes, bytes]) -> Message:
    return {"type": "http.response.start", "status": status, "headers": list(headers)}


def piece(body: bytes, *, more: bool = False) -> Message:
    return {"type": "http.response.body", "body": body, "more_body": more}


def says(*messages: Message) -> ASGIApp:
    """Always the same, whatever it is asked."""

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        for message in messages:
            await send({**message})

    return app


async def whole_body(receive: Receive) -> bytes:
    body: bytes = b""
    while True:
        message = await receive()
        if message["type"] == "http.disconnect":
            raise ConnectionError("the client left")
        body += message["body"]
        if not message["more_body"]:
            return body


async def echo(scope: Scope, receive: Receive, send: Send) -> None:
    """Says what it was asked."""
    body = await whole_body(receive)
    said = {
        "method": scope["method"],
        "path": scope["path"],
        "query": scope["query_string"].decode("latin-1"),
        "headers": [
            f"{name.decode()}={value.decode('latin-1')}" for name, value in scope["headers"]
        ],
        "body": body.decode("latin-1"),
    }
    await send(start(200, (b"content-type", b"application/json")))
    await send(piece(orjson.dumps(said)))


class Stage:
    """An application that a test steps through: it does what is put into it, and tells."""

    def __init__(self) -> None:
        self.started = asyncio.Event()
        self.left = asyncio.Event()
        """Its client has."""
        self.go = asyncio.Event()

    async def streaming(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Sends its head, one event once it may go, and its end."""
        assert scope["type"] == "http"
        await whole_body(receive)
        await send(START)
        self.started.set()
        await self.go.wait()
        await send(piece(b"one", more=True))
        await send(piece(b""))

    async def waiting(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answers only once it may go; notes when its client leaves."""
        assert scope["type"] == "http"
        self.started.set()
        leaving = asyncio.create_task(self._until_left(receive))
        try:
            await self.go.wait()
            await send(start())
            await send(piece(scope["path"].encode()))
        finally:
            leaving.cancel()

    async def _until_left(self, receive: Receive) -> None:
        while (await receive())["type"] != "http.disconnect":
            pass
        self.left.set()
