"""Which requests belong together."""

from __future__ import annotations

import pytest

from server.gateway.affinity import affinity_key
from server.web.asgi import Scope

HI = {"role": "user", "content": "hi"}
SYSTEM = {"role": "system", "content": "x" * 5000}


def scope(session: bytes = b"") -> Scope:
    return {"headers": [(b"x-session-id", session)] if session else []}


def test_without_the_setting_nothing_belongs_together() -> None:
    assert affinity_key("none", scope(b"s"), {"user": "u"}) is None


@pytest.mark.parametrize(
    ("session", "fields", "key"),
    [
        (b"s", {"user": "u"}, b"s"),
        (b"", {"user": "u", "prompt_cache_key": "k"}, b"k"),
        (b"", {"user": "u"}, b"u"),
        (b"", {"user": 7}, None),
        (b"", {}, None),
    ],
)
def test_a_session_is_named_by_header_or_field(
    session: bytes, fields: dict[str, object], key: bytes | None
) -> None:
    assert affinity_key("session", scope(session), fields) == key


def test_the_next_turn_of_a_conversation_has_the_prefix_of_the_one_before() -> None:
    first = affinity_key("prefix", scope(), {"messages": [SYSTEM, HI]})
    later = affinity_key("prefix", scope(), {"messages": [SYSTEM, HI, HI, HI]})
    other = affinity_key("prefix", scope(), {"messages": [HI]})
    assert first == later != other
    assert len(first or b"") == 1024


@pytest.mark.parametrize("fields", [{}, {"messages": "x"}, {"prompt": 7}, {"prompt": ["a"]}])
def test_what_has_no_beginning_goes_anywhere(fields: dict[str, object]) -> None:
    assert affinity_key("prefix", scope(), fields) is None


def test_a_prompt_has_a_beginning_too() -> None:
    assert affinity_key("prefix", scope(), {"prompt": "Once upon"}) == b"Once upon"
