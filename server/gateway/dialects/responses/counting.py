"""`POST /v1/responses/input_tokens`: what an input would take, counted and not answered."""

from __future__ import annotations

from server.gateway.dialects.responses.values import Json


class Counting:
    """The `Telling` of a count, which comes whole or not at all."""

    def whole(self, answer: Json) -> Json:
        return {"object": "response.input_tokens", "input_tokens": int(answer["count"])}

    def chunk(self, chunk: Json) -> bytes:
        raise ValueError("a count is no stream")

    def end(self) -> bytes:
        return b""

    def failure(self, error: Json) -> bytes:
        return b""

    def ping(self) -> bytes:
        return b""
