"""What routing needs to know of a request; the rest of its body is passed on unread."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from server.core.errors import BadRequest
from server.core.model_name import with_model
from server.core.strict_json import parse_object
from server.wire.fleet import Ability

MAX_MODEL_CHARS = 200
TOKENIZE = "/tokenize"
"""Not OpenAI's but vLLM's: how many tokens a chat or a prompt has."""


@dataclass(frozen=True, slots=True)
class Asked:
    path: bytes
    ability: Ability
    model: str
    stream: bool
    body: bytes
    fields: dict[str, Any]

    def body_for(self, model: str) -> bytes:
        """To be sent to a worker that serves `model`. Raises `BadRequest`."""
        if model == self.model:
            return self.body
        try:
            return with_model(self.body, self.model, model)
        except ValueError as error:
            raise BadRequest('Write the key "model" without escapes.', param="model") from error

    def fields_for(self, model: str) -> dict[str, Any]:
        return self.fields if model == self.model else self.fields | {"model": model}

    @property
    def generates(self) -> bool:
        """Whether a slot of the worker is needed."""
        return self.path != TOKENIZE.encode()


def parse_asked(path: bytes, ability: Ability, body: bytes) -> Asked:
    """Raises `BadRequest` for a body that cannot be routed."""
    fields = parse_object(body)
    model = fields.get("model")
    if not isinstance(model, str) or not model:
        raise BadRequest("You must provide a model parameter.", param="model")
    if len(model) > MAX_MODEL_CHARS:
        raise BadRequest(f"A model's name has at most {MAX_MODEL_CHARS} characters.", param="model")
    stream = fields.get("stream")
    if stream is not None and not isinstance(stream, bool):
        raise BadRequest("stream must be true or false.", param="stream")
    if path == TOKENIZE.encode() and "messages" not in fields:
        ability = "completions"
    return Asked(path, ability, model, bool(stream), body, fields)
