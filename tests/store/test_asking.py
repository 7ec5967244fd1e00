from __future__ import annotations

import asyncio

import pytest

from server.core.errors import Conflict, NotFound, Unprocessable
from server.store.asking import exchanges
from server.store.messages import NewMessage
from server.wire.browser import ChatRequest, GenerationSettings, NewConversation, SeedTurn
from tests.store.conftest import ANN, BOB, Store, question

NOBODYS = "0" * 32


async def test_a_question_makes_a_conversation_that_points_to_it(store: Store) -> None:
    asked = await store.messages.ask(ANN, question("what is a line?"))
    assert asked.is_new
    assert (asked.message.query, asked.message.status) == ("what is a line?", "running")
    assert asked.message.siblings == (asked.message.id,)
    assert asked.conversation.leaf_id == asked.message.id
    assert asked.conversation.running
    assert (asked.conversation.name, asked.conversation.named_by) == ("", "nobody")
    assert await store.conversations.get(ANN, asked.conversation.id) == asked.conversation
    assert await store.messages.get(ANN, asked.message.id) == asked.message


async def test_a_conversation_can_be_named_with_its_first_question(store: Store) -> None:
    asked = await store.messages.ask(ANN, question(conversation_name="Lines"))
    assert (asked.conversation.name, asked.conversation.named_by) == ("Lines", "person")


async def test_the_next_question_follows_the_one_the_reader_is_at(store: Store) -> None:
    first = await store.exchange()
    second = await store.ask(conversation_id=first.conversation_id)
    assert second.parent_id == first.id
    conversation = await store.conversations.get(ANN, first.conversation_id)
    assert (conversation.leaf_id, conversation.update_time) == (second.id, store.clock.wall())


async def test_an_empty_parent_makes_another_first_message(store: Store) -> None:
    first = await store.exchange()
    again = await store.ask(conversation_id=first.conversation_id, parent_id="")
    assert again.parent_id is None
    assert again.siblings == (first.id, again.id)


async def test_a_branch_has_one_answer_at_a_time(store: Store) -> None:
    first = await store.ask()
    with pytest.raises(Conflict) as caught:
        await store.ask(conversation_id=first.conversation_id)
    assert caught.value.code == "answer_running"
    await store.ask(conversation_id=first.conversation_id, parent_id="")


async def test_only_settings_that_were_sent_become_the_conversations(store: Store) -> None:
    start = NewConversation(settings=GenerationSettings(temperature=0.5, stop=("#",)))
    conversation = await store.conversations.create(ANN, start)
    request = ChatRequest(query="why", conversation_id=conversation.id, top_p=0.25)
    resolved = GenerationSettings(temperature=0.5, top_p=0.25, max_tokens=99, system="Be brief.")
    asked = await store.messages.ask(ANN, NewMessage(request, "tiny", resolved))
    assert asked.message.settings == resolved
    assert asked.conversation.model == "tiny"
    assert asked.conversation.settings == GenerationSettings(
        temperature=0.5, top_p=0.25, stop=("#",)
    )


async def test_twenty_equal_requests_at_once_make_one_message(store: Store) -> None:
    new = question("once", key="k1", fingerprint="f")
    all_asked = await asyncio.gather(*(store.messages.ask(ANN, new) for _ in range(20)))
    assert {asked.message.id for asked in all_asked} == {all_asked[0].message.id}
    assert sum(asked.is_new for asked in all_asked) == 1
    assert len((await store.conversations.page(ANN, limit=50)).items) == 1
    assert len(await store.messages.all(ANN, all_asked[0].conversation.id)) == 1


async def test_a_key_that_comes_with_another_body_is_refused(store: Store) -> None:
    await store.messages.ask(ANN, question(key="k1", fingerprint="one"))
    with pytest.raises(Unprocessable) as caught:
        await store.messages.ask(ANN, question(key="k1", fingerprint="two"))
    assert caught.value.code == "idempotency_key_reused"


async def test_keys_of_two_owners_have_nothing_to_do_with_each_other(store: Store) -> None:
    ann = await store.messages.ask(ANN, question(key="k1", fingerprint="one"))
    bob = await store.messages.ask(BOB, question(key="k1", fingerprint="two"))
    assert bob.is_new
    assert bob.message.id != ann.message.id


async def test_history_seeds_a_new_conversation_only(store: Store) -> None:
    turns = [
        {"role": "user", "content": "hello"},
        {"role": "assistant", "content": "hi"},
    ]
    message = await store.ask("go on", history=turns)
    page = await store.messages.page(ANN, message.conversation_id, limit=9)
    shown = [(item.query, item.response, item.status) for item in page.items]
    assert shown == [("hello", "hi", "complete"), ("go on", "", "running")]
    other = await store.conversations.create(ANN, NewConversation())
    message = await store.ask("go on", history=turns, conversation_id=other.id)
    assert message.parent_id is None


def test_seeds_that_are_no_pairs_get_an_empty_half() -> None:
    turns = [
        SeedTurn(role=role, content=content)
        for role, content in [
            ("assistant", "welcome"),
            ("user", "a"),
            ("user", "b"),
            ("assistant", "c"),
            ("assistant", "d"),
            ("user", "e"),
        ]
    ]
    expected = [("", "welcome"), ("a", ""), ("b", "c"), ("", "d"), ("e", "")]
    assert list(exchanges(turns)) == expected


@pytest.mark.parametrize("what", ["conversation", "parent", "parent of a new one"])
async def test_nothing_of_somebody_else_can_be_asked_in(store: Store, what: str) -> None:
    bobs = await store.exchange(owner=BOB)
    anns = await store.exchange()
    where = {
        "conversation": {"conversation_id": bobs.conversation_id},
        "parent": {"conversation_id": anns.conversation_id, "parent_id": bobs.id},
        "parent of a new one": {"parent_id": bobs.id},
    }[what]
    with pytest.raises(NotFound):
        await store.ask(**where)
    assert len((await store.conversations.page(ANN, limit=9)).items) == 1


async def test_what_nobody_has_is_not_found_either(store: Store) -> None:
    with pytest.raises(NotFound):
        await store.ask(conversation_id=NOBODYS)
    with pytest.raises(NotFound):
        await store.ask(parent_id=NOBODYS)
