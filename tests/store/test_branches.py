from __future__ import annotations

from itertools import pairwise

import pytest
from sqlalchemy import insert

from server.core.errors import NotFound
from server.core.ids import new_uuid
from server.store.tables import messages
from server.wire.browser import ConversationChange, Message
from tests.store.conftest import ANN, BOB, Store


async def branch(store: Store, length: int) -> list[Message]:
    items = [await store.exchange("0")]
    for number in range(1, length):
        items.append(await store.exchange(str(number), conversation_id=items[0].conversation_id))
    return items


async def test_siblings_stand_oldest_first_in_every_answer(store: Store) -> None:
    first = await store.exchange()
    id = first.conversation_id
    twigs = [(await store.exchange(conversation_id=id, parent_id=first.id)).id for _ in range(3)]
    assert (await store.messages.get(ANN, twigs[0])).siblings == tuple(twigs)
    page = await store.messages.page(ANN, id, limit=9)
    assert [item.siblings for item in page.items] == [(first.id,), tuple(twigs)]
    everything = await store.messages.all(ANN, id)
    assert [item.id for item in everything] == [first.id, *twigs]
    assert everything[1].siblings == tuple(twigs)


async def test_the_reader_goes_to_the_newest_message_below(store: Store) -> None:
    trunk = await branch(store, 3)
    id = trunk[0].conversation_id
    other = await store.exchange(conversation_id=id, parent_id=trunk[0].id)
    assert (await store.conversations.get(ANN, id)).leaf_id == other.id
    moved = await store.conversations.change(ANN, id, ConversationChange(leaf_id=trunk[1].id))
    assert moved.leaf_id == trunk[2].id
    page = await store.messages.page(ANN, id, limit=9)
    assert [item.id for item in page.items] == [item.id for item in trunk]
    moved = await store.conversations.change(ANN, id, ConversationChange(leaf_id=trunk[0].id))
    assert moved.leaf_id == other.id
    moved = await store.conversations.change(ANN, id, ConversationChange(leaf_id=trunk[2].id))
    assert moved.leaf_id == trunk[2].id


async def test_the_reader_cannot_go_to_a_message_from_elsewhere(store: Store) -> None:
    here, elsewhere, bobs = (
        await store.exchange(),
        await store.exchange(),
        await store.exchange(owner=BOB),
    )
    for id in (elsewhere.id, bobs.id, "0" * 32):
        with pytest.raises(NotFound):
            await store.conversations.change(
                ANN, here.conversation_id, ConversationChange(leaf_id=id)
            )


async def test_pages_of_a_branch_follow_one_another(store: Store) -> None:
    trunk = await branch(store, 5)
    id = trunk[0].conversation_id
    last = await store.messages.page(ANN, id, limit=2)
    assert ([item.query for item in last.items], last.more) == (["3", "4"], True)
    middle = await store.messages.page(ANN, id, limit=2, before=last.items[0].id)
    assert ([item.query for item in middle.items], middle.more) == (["1", "2"], True)
    first = await store.messages.page(ANN, id, limit=2, before=middle.items[0].id)
    assert ([item.query for item in first.items], first.more) == (["0"], False)
    none = await store.messages.page(ANN, id, limit=2, before=first.items[0].id)
    assert (none.items, none.more, none.leaf_id) == ((), False, trunk[4].id)


async def test_a_page_does_not_begin_before_a_message_from_elsewhere(store: Store) -> None:
    here, elsewhere = await store.exchange(), await store.exchange()
    for id in (elsewhere.id, "0" * 32):
        with pytest.raises(NotFound):
            await store.messages.page(ANN, here.conversation_id, limit=9, before=id)


async def test_ten_thousand_messages_are_paged_and_gone_through(store: Store) -> None:
    first = await store.exchange()
    id = first.conversation_id
    ids = [first.id, *(new_uuid() for _ in range(9_999))]
    async with store.database.writing() as connection:
        await connection.execute(insert(messages), list(rows(id, ids)))
    moved = await store.conversations.change(ANN, id, ConversationChange(leaf_id=first.id))
    assert moved.leaf_id == ids[-1]
    page = await store.messages.page(ANN, id, limit=50)
    assert [item.id for item in page.items] == ids[-50:]
    page = await store.messages.page(ANN, id, limit=50, before=ids[5_000])
    assert [item.id for item in page.items] == ids[4_950:5_000]
    assert [item.id for item in await store.messages.memory(ANN, ids[-1], 200)] == ids[-2:-202:-1]
    assert len(await store.messages.all(ANN, id)) == 10_000
    await store.conversations.delete(ANN, id)


def rows(conversation_id: str, ids: list[str]) -> list[dict[str, object]]:
    """Each id but the first as a message below the one before it."""
    return [
        {
            "id": id,
            "owner": ANN,
            "conversation_id": conversation_id,
            "parent_id": parent_id,
            "chat_type": "chat",
            "query": "why",
            "response": "so",
            "status": "complete",
            "model": "tiny",
            "settings": {},
            "create_time": 1.0,
            "fingerprint": "",
        }
        for parent_id, id in pairwise(ids)
    ]


async def test_siblings_are_told_apart_by_their_question(store: Store) -> None:
    first = await store.exchange("one")
    id, ids = first.conversation_id, [first.id]
    for query in ("one", "two", "one"):
        ids.append((await store.exchange(query, conversation_id=id, parent_id="")).id)
    found = await store.messages.get(ANN, first.id)
    assert found.siblings == tuple(ids)
    assert found.versions == ((ids[0], ids[1], ids[3]), (ids[2],))
