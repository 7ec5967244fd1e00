"""The controller as a FastChat worker: for nested fleets, and in front of our own workers.

Our workers' ports demand the fleet's secret, which FastChat's programs do not have. So they are
given this controller's address for our workers, and their calls are relayed from here.
"""

from __future__ import annotations

import logging

from pydantic import SecretStr

from server.clients.http import HTTPClient
from server.clients.origin import Origin
from server.controller.waking import Waking
from server.core.errors import (
    BadAnswer,
    BadRequest,
    Overloaded,
    RequestError,
    TransportError,
    Unavailable,
)
from server.core.limits import (
    BETWEEN_TOKENS_S,
    FIRST_TOKEN_S,
    MAX_CHAT_BYTES,
    WHOLE_REQUEST_S,
    WRITE_STALL_S,
)
from server.core.strict_json import parse_object
from server.web.asgi import JSON, Header, Receive, Scope, Send, read_body, send_whole
from server.web.drain import Drain
from server.web.patience import Patience
from server.web.relay import read_whole
from server.web.table import Routes
from server.wire.fastchat import NUL, ErrorCode, PieceSplitter, failure
from server.wire.fleet import SECRET_HEADER, WorkerView

log = logging.getLogger(__name__)

STREAM = "/worker_generate_stream"
GENERATING = frozenset({STREAM, "/worker_generate", "/worker_get_embeddings"})
"""Those that keep a worker busy; the others only ask."""
WHOLE = (
    "/worker_generate",
    "/worker_get_embeddings",
    "/worker_get_conv_template",
    "/model_details",
    "/count_token",
)
_HEAD = {"type": "http.response.start", "status": 200, "headers": []}


class FastChatRelay:
    """Errors come as FastChat's JSON in an answer with status 200, as its clients expect."""

    def __init__(self, waking: Waking, http: HTTPClient, drain: Drain, secret: SecretStr) -> None:
        self._waking = waking
        self._http = http
        self._drain = drain
        self._secret: Header = (SECRET_HEADER.encode(), secret.get_secret_value().encode())

    def routes(self) -> Routes:
        return {("POST", STREAM): self.stream, **{("POST", path): self.whole for path in WHOLE}}

    async def stream(self, scope: Scope, receive: Receive, send: Send) -> None:
        model, body = await _asked(scope, receive)
        await send(dict(_HEAD))
        worker = None
        try:
            with Patience(receive, self._drain, WHOLE_REQUEST_S) as limit:
                worker = await self._worker(scope["path"], model)
                await self._pass_on(worker, body, send, limit)
        except (TransportError, RequestError) as error:
            await _end(send, _failed(worker, error))

    async def whole(self, scope: Scope, receive: Receive, send: Send) -> None:
        model, body = await _asked(scope, receive)
        worker = None
        try:
            with Patience(receive, self._drain, WHOLE_REQUEST_S) as limit:
                worker = await self._worker(scope["path"], model)
                answer = await self._fetch(worker, scope["path"], body, limit)
        except (TransportError, RequestError) as error:
            answer = _failed(worker, error).rstrip(NUL)
        await send_whole(send, 200, [JSON], answer)

    async def _worker(self, path: str, model: str) -> WorkerView:
        """The one that is to have the request, once its model is loaded. Raises `RequestError`."""
        entry = await self._waking.pick(model)
        if path in GENERATING:
            entry.handed_out += 1
        return entry.view

    async def _pass_on(self, worker: WorkerView, body: bytes, send: Send, limit: Patience) -> None:
        """Whole pieces, byte for byte."""
        pieces = PieceSplitter()
        limit.allow(FIRST_TOKEN_S)
        async with self._http.request(
            Origin.parse(worker.address), STREAM.encode(), body, self._headers(worker)
        ) as upstream:
            if upstream.status != 200:
                raise BadAnswer(f"the worker answered {upstream.status}")
            while chunk := await upstream.chunk():
                if whole := _whole(pieces, chunk):
                    limit.allow(WRITE_STALL_S, "client")
                    await send({"type": "http.response.body", "body": whole, "more_body": True})
                limit.allow(BETWEEN_TOKENS_S)
        if pieces.rest():
            raise BadAnswer("the stream ended inside a piece")
        await _end(send)

    async def _fetch(self, worker: WorkerView, path: str, body: bytes, limit: Patience) -> bytes:
        async with self._http.request(
            Origin.parse(worker.address), path.encode(), body, self._headers(worker)
        ) as upstream:
            if upstream.status != 200:
                raise BadAnswer(f"the worker answered {upstream.status}")
            return await read_whole(upstream, limit)

    def _headers(self, worker: WorkerView) -> tuple[Header, ...]:
        """A FastChat worker is not shown the secret."""
        return (JSON, self._secret) if worker.protocol == "openai" else (JSON,)


async def _asked(scope: Scope, receive: Receive) -> tuple[str, bytes]:
    """The model, and the body."""
    body = await read_body(scope, receive, MAX_CHAT_BYTES)
    model = parse_object(body).get("model")
    if not isinstance(model, str):
        raise BadRequest("You must provide a model parameter.", param="model")
    return model, body


def _failed(worker: WorkerView | None, error: Exception) -> bytes:
    if worker is None:
        return _none(error)
    log.warning("worker failed", extra={"address": worker.address, "cause": str(error)})
    return failure(ErrorCode.CONTROLLER_WORKER_TIMEOUT)


def _none(error: Exception) -> bytes:
    """There was nobody to ask; of a model that somebody could load it is said what keeps it."""
    if isinstance(error, Overloaded):
        return failure(ErrorCode.ENGINE_OVERLOADED, error.message)
    if isinstance(error, Unavailable):
        return failure(ErrorCode.CONTROLLER_NO_WORKER, error.message)
    return failure(ErrorCode.CONTROLLER_NO_WORKER)


def _whole(pieces: PieceSplitter, chunk: bytes) -> bytes:
    try:
        return pieces.feed(chunk)
    except ValueError as error:
        raise BadAnswer(str(error)) from error


async def _end(send: Send, last: bytes = b"") -> None:
    await send({"type": "http.response.body", "body": last})
