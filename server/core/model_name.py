"""Changing the model's name in a request, and nothing else."""

from __future__ import annotations

import re

import orjson

_STRING = rb'"[^"\\]*+(?:\\.[^"\\]*+)*+"'
_TOKEN = re.compile(rb'"model"\s*+:\s*+(' + _STRING + rb")|" + _STRING + rb"|[{\[]++|[}\]]++")
"""Of JSON, what decides where a key stands; group 1 is the value of a key `model`."""
_DEEPER = {ord("{"): 1, ord("["): 1, ord("}"): -1, ord("]"): -1}


def with_model(body: bytes, ours: str, theirs: str) -> bytes:
    """`body` with the model's name replaced, every other byte unchanged.

    `body` is JSON whose top-level `model` is `ours`. Where the same key and value stand
    somewhere inside as well, only the top-level one changes. One pass, up to that key.
    Raises `ValueError` for a key written with escapes, as in `"mod\\u0065l"`.
    """
    if ours == theirs:
        return body
    depth = 0
    for found in _TOKEN.finditer(body):
        start, end = found.span()
        if depth == 1 and found.lastindex == 1:
            return body[: found.start(1)] + orjson.dumps(theirs) + body[found.end(1) :]
        depth += _DEEPER.get(body[start], 0) * (end - start)
    raise ValueError("no top-level model")
