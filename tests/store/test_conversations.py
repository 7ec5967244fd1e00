from __future__ import annotations

import base64
import json

import pytest
from sqlalchemy import func, select

from server.core.errors import BadRequest, NotFound
from server.store.tables import messages
from server.wire.browser import (
    Conversation,
    ConversationChange,
    GenerationSettings,
    NewConversation,
)
from tests.store.conftest import ANN, BOB, Store


async def made(store: Store, *names: str, owner: str = ANN) -> list[Conversation]:
    """Conversations, the last one the newest."""
    items = []
    for name in names:
        store.clock.advance(1)
        items.append(await store.conversations.create(owner, NewConversation(name=name)))
    return items


async def names_of(store: Store, *, limit: int = 50) -> list[str]:
    names: list[str] = []
    cursor = None
    while True:
        page = await store.conversations.page(ANN, limit=limit, cursor=cursor)
        names += [item.name for item in page.items]
        cursor = page.next_cursor
        if cursor is None:
            return names


async def test_a_conversation_comes_back_as_it_was_made(store: Store) -> None:
    settings = GenerationSettings(system="你好 {0}", temperature=0, stop=("a", "b"), seed=2**53 - 1)
    new = NewConversation(name="Lines", model="tiny", settings=settings)
    conversation = await store.conversations.create(ANN, new)
    assert conversation.settings == settings
    assert conversation.named_by == "person"
    assert await store.conversations.get(ANN, conversation.id) == conversation


async def test_pinned_ones_come_first_then_the_newest(store: Store) -> None:
    items = await made(store, "a", "b", "c", "d")
    await store.conversations.change(ANN, items[1].id, ConversationChange(pinned=True))
    assert await names_of(store) == ["b", "d", "c", "a"]
    await store.ask(conversation_id=items[0].id)
    assert await names_of(store) == ["b", "a", "d", "c"]


@pytest.mark.parametrize("limit", [1, 2, 3])
async def test_pages_join_without_gap_or_repetition(store: Store, limit: int) -> None:
    items = [
        await store.conversations.create(ANN, NewConversation(name=str(number)))
        for number in range(6)  # all at the same time
    ]
    for item in items[:3]:
        await store.conversations.change(ANN, item.id, ConversationChange(pinned=True))
    await made(store, "bob's", owner=BOB)
    names = await names_of(store, limit=limit)
    assert names == await names_of(store)
    assert sorted(names) == ["0", "1", "2", "3", "4", "5"]


def encoded(value: object) -> str:
    return base64.urlsafe_b64encode(json.dumps(value).encode()).decode()


@pytest.mark.parametrize(
    "cursor",
    ["", "é", "%%%", "AAAA", encoded(5), encoded([1, 2, 3, 4]), encoded(["", True, 1e999, ""])],
)
async def test_a_cursor_that_was_never_given_is_a_bad_request(store: Store, cursor: str) -> None:
    with pytest.raises(BadRequest):
        await store.conversations.page(ANN, limit=1, cursor=cursor)


async def test_a_cursor_of_somebody_else_is_not_found(store: Store) -> None:
    await made(store, "a", "b", owner=BOB)
    cursor = (await store.conversations.page(BOB, limit=1)).next_cursor
    with pytest.raises(NotFound):
        await store.conversations.page(ANN, limit=1, cursor=cursor)


async def test_a_page_goes_on_although_its_last_conversation_was_deleted(store: Store) -> None:
    await made(store, "a", "b", "c")
    page = await store.conversations.page(ANN, limit=1)
    await store.conversations.delete(ANN, page.items[0].id)
    page = await store.conversations.page(ANN, limit=1, cursor=page.next_cursor)
    assert [item.name for item in page.items] == ["b"]


async def test_a_change_touches_only_what_it_names(store: Store) -> None:
    [item] = await made(store, "a")
    store.clock.advance(60)
    changed = await store.conversations.change(ANN, item.id, ConversationChange(model="other"))
    assert changed == item.model_copy(update={"model": "other"})
    settings = GenerationSettings(top_p=0.5)
    changed = await store.conversations.change(
        ANN, item.id, ConversationChange(settings=settings, name="b")
    )
    assert (changed.settings, changed.name, changed.named_by) == (settings, "b", "person")
    assert await store.conversations.change(ANN, item.id, ConversationChange()) == changed


async def test_the_first_exchange_names_what_nobody_named(store: Store) -> None:
    first = await store.exchange(title="Why\0 so")
    conversation = await store.conversations.get(ANN, first.conversation_id)
    assert (conversation.name, conversation.named_by) == ("Why\ufffd so", "first exchange")
    await store.ask(conversation_id=conversation.id, title="Again")
    assert (await store.conversations.get(ANN, conversation.id)).name == "Why\ufffd so"
    [item] = await made(store, "mine")
    await store.ask(conversation_id=item.id, title="yours")
    assert (await store.conversations.get(ANN, item.id)).name == "mine"


async def test_deleting_takes_the_messages_too(store: Store) -> None:
    gone, stays = await store.exchange(), await store.exchange()
    await store.conversations.delete(ANN, gone.conversation_id)
    with pytest.raises(NotFound):
        await store.conversations.get(ANN, gone.conversation_id)
    with pytest.raises(NotFound):
        await store.messages.get(ANN, gone.id)
    async with store.database.reading() as connection:
        count = await connection.scalar(select(func.count()).select_from(messages))
    assert count == 1
    assert (await store.messages.get(ANN, stays.id)).response == "so"


async def test_conversations_of_somebody_else_are_not_found(store: Store) -> None:
    [bobs] = await made(store, "", owner=BOB)
    with pytest.raises(NotFound):
        await store.conversations.get(ANN, bobs.id)
    with pytest.raises(NotFound):
        await store.conversations.change(ANN, bobs.id, ConversationChange(name="mine"))
    with pytest.raises(NotFound):
        await store.conversations.delete(ANN, bobs.id)
    assert await store.conversations.get(BOB, bobs.id) == bobs
