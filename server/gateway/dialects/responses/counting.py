"""`POST /v1/responses/input_tokens`: what an input would take, counted and not answered."""

from __future__ import annotations

from server.gateway.dialects.values import Json
from server.gateway.dialects.via import WholeTelling


class Counting(WholeTelling):
    """The `Telling` of a count, which comes whole or not at all."""

    def whole(self, answer: Json) -> Json:
        return {"object": "response.input_tokens", "input_tokens": int(answer["count"])}
