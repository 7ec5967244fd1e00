from __future__ import annotations

import pytest

from server.core.errors import BadRequest
from server.store.search import excerpt
from server.wire.browser import NewConversation
from tests.store.conftest import ANN, BOB, Store


async def found(store: Store, words: str) -> list[tuple[str, str | None]]:
    """Titles and excerpts."""
    page = await store.conversations.page(ANN, limit=50, search=words)
    return [(item.name, item.excerpt) for item in page.items]


async def test_a_word_is_found_in_titles_questions_and_answers(store: Store) -> None:
    await store.conversations.create(ANN, NewConversation(name="Of Penguins"))
    await store.exchange("do penguins fly?", "no", conversation_name="q")
    await store.exchange("who swims?", "PENGUINS do", conversation_name="r")
    await store.exchange("and whales?", "they do", conversation_name="none")
    await store.exchange("penguins", owner=BOB, conversation_name="bob's")
    assert await found(store, "Penguin") == [
        ("r", "PENGUINS do"),
        ("q", "do penguins fly?"),
        ("Of Penguins", None),
    ]


@pytest.mark.parametrize(
    ("text", "words"),
    [("企鹅会飞吗？", "会飞"), ("Ärger ÜBER Öl", "über"), ("МОСКВА", "москва"), ("a 😀 b", "😀")],
)
async def test_words_of_every_script_are_found(store: Store, text: str, words: str) -> None:
    await store.exchange(text, conversation_name="here")
    await store.exchange("nothing", conversation_name="not here")
    assert await found(store, words) == [("here", text)]


@pytest.mark.parametrize("sign", ["%", "_", "\\", "/", "'", '"', "*", "?", "[a]"])
async def test_a_sign_means_itself(store: Store, sign: str) -> None:
    await store.exchange("plain", "plain", conversation_name="plain")
    await store.exchange(f"a{sign}b", conversation_name="sign")
    assert await found(store, f"a{sign}b") == [("sign", f"a{sign}b")]
    assert [name for name, _ in await found(store, sign)] == ["sign"]


async def test_a_bomb_of_wildcards_finds_nothing(store: Store) -> None:
    await store.exchange("a" * 200_000, "a" * 200_000)
    assert await found(store, "%" * 200) == []
    assert await found(store, "%_" * 99 + "b") == []
    with pytest.raises(BadRequest):
        await found(store, "%" * 100_000)


async def test_nul_is_found_nowhere_and_breaks_nothing(store: Store) -> None:
    await store.exchange("a")
    assert await found(store, "\0") == []


async def test_blank_words_are_no_search(store: Store) -> None:
    await store.exchange("a", conversation_name="a")
    assert await found(store, "  ") == [("a", None)]


async def test_found_ones_are_paged_in_the_same_order(store: Store) -> None:
    for name in ("a", "b", "c"):
        await store.exchange("word", conversation_name=name)
        await store.exchange("other")
    page = await store.conversations.page(ANN, limit=2, search="word")
    assert [item.name for item in page.items] == ["c", "b"]
    page = await store.conversations.page(ANN, limit=2, search="word", cursor=page.next_cursor)
    assert [item.name for item in page.items] == ["a"]
    assert page.next_cursor is None


def test_an_excerpt_is_short_and_shows_the_words() -> None:
    shown = excerpt("x " * 500 + "\n\nthe Word " + "y " * 500, "word")
    assert shown is not None
    assert "the Word y" in shown
    assert shown.startswith("…") and shown.endswith("…")
    assert len(shown) <= 122
    assert excerpt("nothing", "word") is None
