"""What routing needs to know of a request; the rest of its body is passed on unread."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

import orjson

from server.core.errors import BadRequest
from server.core.limits import WHOLE_REQUEST_S
from server.core.model_name import with_model
from server.core.strict_json import parse_object
from server.gateway.azure import DEPLOYMENT
from server.web.asgi import Header, Scope, found_in
from server.wire.fleet import Ability
from server.wire.lanes import PRIORITY_HEADER, Lane, lane_of
from server.wire.openai_refusals import bad, missing

MAX_MODEL_CHARS = 200
TOKENIZE = b"/tokenize"
"""Not OpenAI's but vLLM's: how many tokens a chat or a prompt has,"""
DETOKENIZE = b"/detokenize"
"""and the text of tokens."""
TIMEOUT_HEADER = b"x-request-timeout"
"""Of a request: seconds after which its client needs no answer any more."""
UNKNOWN_CONTEXT = 8192
"""Tokens that a request may use at most, where neither it nor its model says."""
_PAIR_MARKS = 8
"""Tokens around a query and a document; models have 3 or 4."""
_NUMBER = re.compile(rb"[0-9]{1,9}(?:\.[0-9]{0,9})?|\.[0-9]{1,9}")
_PRIORITY = PRIORITY_HEADER.encode()


@dataclass(slots=True)  # frozen, it would cost each request 0.7 µs more
class Asked:
    path: bytes
    ability: Ability
    model: str
    stream: bool
    body: bytes
    fields: dict[str, Any]
    lane: Lane = "normal"
    timeout_s: float | None = None
    """How long its client will wait for all of it; None: as long as we let it."""
    generates: bool = True
    """Whether a slot of the worker is needed."""
    translated: bool = False
    """Whether it was made of another API's request."""

    @property
    def one_choice(self) -> bool:
        """Whether its answer has one part, which ends once."""
        return self.fields.get("n") in (None, 1) and not isinstance(self.fields.get("prompt"), list)

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

    def most_tokens(self, context_length: int | None) -> int:
        """The most that it can use, prompt and answers: a token has one byte at least, and none
        of its answers is longer than the context."""
        fields = self.fields
        wanted = fields.get("max_completion_tokens") or fields.get("max_tokens")
        if type(wanted) is not int or wanted <= 0:
            wanted = context_length or UNKNOWN_CONTEXT
        answers = 1
        if self.ability != "chat" or "n" in fields:
            answers = self._answers()
            if self.ability == "embeddings":
                wanted = 0
            elif self.ability == "rerank":
                wanted = self._query_tokens()
        most: int = len(self.body) + answers * wanted
        return min(most, answers * context_length) if context_length else most

    def _answers(self) -> int:
        """How many it wants, to all of its prompts. What is no number counts as one: the worker
        says what is wrong with it."""
        answers = max(_whole(self.fields.get("n")), _whole(self.fields.get("best_of")))
        if self.ability != "chat":
            fields = self.fields
            prompts = fields.get("prompt", fields.get("input", fields.get("documents")))
            if isinstance(prompts, list) and prompts:
                answers *= len(prompts)
        return answers

    def _query_tokens(self) -> int:
        """The most that are read with each document: its query, and what stands between them."""
        query = self.fields.get("query", "")
        size = len(query.encode()) if isinstance(query, str) else len(self.body)
        return size + _PAIR_MARKS


def _whole(count: object) -> int:
    """1 for what is no number of answers."""
    return count if type(count) is int and count > 0 else 1


def parse_asked(scope: Scope, ability: Ability, body: bytes) -> Asked:
    """Raises `BadRequest` for a request that cannot be routed."""
    fields = parse_object(body)
    path = scope["path"].encode()
    deployment = scope.get(DEPLOYMENT)
    if deployment is not None and fields.get("model") != deployment:
        fields["model"] = deployment
        body = orjson.dumps(fields)
    model = _model_of(fields)
    stream = fields.get("stream")
    if stream is not None and not isinstance(stream, bool):
        raise bad("stream", "it must be true or false", "invalid_type")
    generates = path not in (TOKENIZE, DETOKENIZE)
    if not generates and "messages" not in fields:
        ability = "completions"
    lane, timeout_s = found_in(scope["headers"], _wishes)
    return Asked(path, ability, model, stream is True, body, fields, lane, timeout_s, generates)


def _model_of(fields: dict[str, Any]) -> str:
    model = fields.get("model")
    if model is None:
        raise missing("model")
    if not isinstance(model, str):
        raise bad("model", "it must be a string", "invalid_type")
    if not model:
        raise bad("model", "it must not be empty", "empty_string")
    if len(model) > MAX_MODEL_CHARS:
        most = f"it has at most {MAX_MODEL_CHARS} characters"
        raise bad("model", most, "string_above_max_length")
    return model


def _wishes(headers: Iterable[Header]) -> tuple[Lane, float | None]:
    """What the headers say of its lane and its time."""
    lane: Lane | None = None
    timeout_s = None
    for name, value in headers:
        if name == _PRIORITY:
            before, lane = lane, lane_of(value)
            if before not in (None, lane):
                raise BadRequest(
                    f"One X-Priority header says {before} and another one {lane}; send one.",
                    code="invalid_priority",
                )
        elif name == TIMEOUT_HEADER:
            timeout_s = _seconds(value)
    return lane or "normal", timeout_s


def _seconds(value: bytes) -> float:
    seconds = float(value) if _NUMBER.fullmatch(value) else 0.0
    if not seconds:
        raise BadRequest(
            f"{TIMEOUT_HEADER.decode()} is a number of seconds.", param=TIMEOUT_HEADER.decode()
        )
    return min(seconds, WHOLE_REQUEST_S)
