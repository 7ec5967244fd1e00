"""`POST /v1/messages` and `/v1/messages/count_tokens`: Anthropic's API over the same models.

    request.parse > chat.chat_fields > via.through > answer.message_of | stream.MessageStream

https://docs.anthropic.com/en/api/messages
"""

from __future__ import annotations

from typing import Any, Final

from server.core.errors import MethodNotAllowed, NotFound
from server.core.limits import MAX_CHAT_BYTES
from server.core.sse import data_event
from server.gateway.asked import TOKENIZE
from server.gateway.dialects.anthropic.answer import Expected, message_of
from server.gateway.dialects.anthropic.chat import chat_fields, count_fields
from server.gateway.dialects.anthropic.errors import failure
from server.gateway.dialects.anthropic.names import names_of
from server.gateway.dialects.anthropic.request import CountRequest, MessagesRequest, parse
from server.gateway.dialects.anthropic.stream import PING, MessageStream
from server.gateway.dialects.via import Telling, WholeTelling, through
from server.gateway.relay import Relay
from server.web.asgi import Receive, Scope, Send, read_body
from server.web.edge import request_id_of

MESSAGES: Final = "/v1/messages"
COUNT: Final = "/v1/messages/count_tokens"


class Messages:
    """Its errors are told as OpenAI's; `server/gateway/dialects/edge.py` rewords them."""

    def __init__(self, relay: Relay) -> None:
        self._relay = relay

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        path: str = scope["path"]
        if path not in (MESSAGES, COUNT):
            raise NotFound("There is nothing at this path; messages are sent to /v1/messages.")
        if scope["method"] != "POST":
            raise MethodNotAllowed("POST")
        body = await read_body(scope, receive, MAX_CHAT_BYTES)
        if path == COUNT:
            counted = parse(CountRequest, body)
            fields, names = count_fields(counted), names_of(counted)
            telling: Telling = CountTelling()
            path = TOKENIZE.decode()
            await through(
                self._relay, scope, receive, send, fields, telling, path=path, names=names
            )
            return
        asked = parse(MessagesRequest, body)
        expected = Expected(asked.model, asked.stop_sequences or (), asked.shows_thinking)
        telling = MessageTelling(expected, request_id_of(scope))
        fields, names = chat_fields(asked), names_of(asked)
        await through(self._relay, scope, receive, send, fields, telling, names=names)


class MessageTelling:
    """A `via.Telling` of one message."""

    def __init__(self, expected: Expected, request_id: str) -> None:
        self._expected = expected
        self._request_id = request_id
        stream = MessageStream(expected)
        self.chunk, self.end = stream.chunk, stream.end

    def whole(self, answer: dict[str, Any]) -> Any:
        return message_of(answer, self._expected)

    def failure(self, error: dict[str, Any]) -> bytes:
        return b"event: error\n" + data_event(failure(error, self._request_id))

    def ping(self) -> bytes:
        return PING


class CountTelling(WholeTelling):
    """A `via.Telling` of how many tokens there are; it never comes as a stream."""

    def whole(self, answer: dict[str, Any]) -> Any:
        count = answer["count"]
        if type(count) is not int:
            raise TypeError("a count of tokens is a number")
        return {"input_tokens": count}
