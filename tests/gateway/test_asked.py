"""The most tokens that a request can use, which is set aside for it."""

from __future__ import annotations

from typing import Any

import orjson
import pytest

from server.gateway.asked import UNKNOWN_CONTEXT, Asked, parse_asked
from server.wire.fleet import Ability

PATHS: dict[Ability, str] = {
    "chat": "/v1/chat/completions",
    "completions": "/v1/completions",
    "embeddings": "/v1/embeddings",
    "rerank": "/v1/rerank",
}


def asked(ability: Ability, **fields: Any) -> Asked:
    body = orjson.dumps({"model": "m", **fields})
    return parse_asked({"path": PATHS[ability], "headers": []}, ability, body)


@pytest.mark.parametrize(
    ("ability", "fields", "answers", "each"),
    [
        ("chat", {}, 1, UNKNOWN_CONTEXT),
        ("chat", {"max_tokens": 7}, 1, 7),
        ("chat", {"max_tokens": 7, "max_completion_tokens": 5}, 1, 5),
        ("chat", {"max_tokens": 7, "max_completion_tokens": None}, 1, 7),
        ("chat", {"max_tokens": 7, "max_completion_tokens": 0}, 1, 7),
        ("chat", {"max_tokens": 7, "n": 3}, 3, 7),
        ("chat", {"max_tokens": 7, "n": 3, "prompt": ["a", "b"]}, 3, 7),
        ("completions", {"max_tokens": 7, "prompt": "a"}, 1, 7),
        ("completions", {"max_tokens": 7, "prompt": ["a", "b"], "n": 3}, 6, 7),
        ("completions", {"max_tokens": 7, "prompt": []}, 1, 7),
        ("embeddings", {"max_tokens": 7, "input": ["a", "b"]}, 2, 0),
        ("rerank", {"max_tokens": 7, "query": "中?", "documents": ["a", "b", "c"]}, 3, 4 + 8),
        ("rerank", {"query": "a", "documents": "b"}, 1, 1 + 8),
    ],
)
def test_it_is_its_bytes_and_all_that_it_may_be_answered(
    ability: Ability, fields: dict[str, Any], answers: int, each: int
) -> None:
    request = asked(ability, **fields)
    most = len(request.body) + answers * each
    assert request.most_tokens(None) == most
    assert request.most_tokens(10**9) == most or each == UNKNOWN_CONTEXT
    assert request.most_tokens(3) == answers * 3


@pytest.mark.parametrize("nonsense", [-1, 0, 1.5, True, "5", None, [], {}])
def test_what_is_no_number_is_as_good_as_absent(nonsense: object) -> None:
    for ability in PATHS:
        plain = asked(ability, prompt=["a", "b"])
        odd = asked(ability, prompt=["a", "b"], n=nonsense, max_tokens=nonsense)
        for length in (None, 1000):
            assert odd.most_tokens(length) - plain.most_tokens(length) in (
                0,
                len(odd.body) - len(plain.body),
            )


def test_a_context_that_is_known_is_what_may_be_answered() -> None:
    request = asked("chat")
    assert request.most_tokens(1000) == 1000
    assert asked("chat", n=2).most_tokens(1000) == 2000
