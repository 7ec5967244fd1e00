from __future__ import annotations

import pytest

from server.core.errors import NotFound
from server.store.messages import Exchange, Outcome
from server.wire.browser import LeftOut, Problem, Usage
from tests.store.conftest import ANN, BOB, Store

LOST = Problem(code="restarted", message="The server was restarted.")


async def test_an_answer_grows_and_ends(store: Store) -> None:
    asked = await store.ask()
    await store.messages.save({asked.id: "so"})
    assert (await store.messages.get(ANN, asked.id)).response == "so"
    outcome = Outcome(
        "complete", "so it is", None, Usage(total_tokens=7), "stop", first_token_s=0.5, duration_s=2
    )
    assert await store.messages.finish(asked.id, outcome, LeftOut(turns=2, tokens=100))
    message = await store.messages.get(ANN, asked.id)
    assert (message.status, message.response, message.finish_reason) == (
        "complete",
        "so it is",
        "stop",
    )
    assert (message.usage, message.left_out) == (
        Usage(total_tokens=7),
        LeftOut(turns=2, tokens=100),
    )
    assert (message.first_token_s, message.duration_s, message.error) == (0.5, 2.0, None)
    assert not (await store.conversations.get(ANN, asked.conversation_id)).running


async def test_an_answer_that_has_ended_does_not_change(store: Store) -> None:
    asked = await store.ask()
    assert await store.messages.finish(asked.id, Outcome("stopped", "so"))
    assert not await store.messages.finish(asked.id, Outcome("complete", "so it is"))
    await store.messages.save({asked.id: "something else"})
    message = await store.messages.get(ANN, asked.id)
    assert (message.status, message.response) == ("stopped", "so")


async def test_an_answer_of_a_conversation_that_is_gone_changes_nothing(store: Store) -> None:
    asked = await store.ask()
    await store.conversations.delete(ANN, asked.conversation_id)
    await store.messages.save({asked.id: "so"})
    assert not await store.messages.finish(asked.id, Outcome("complete", "so"))


async def test_only_running_messages_are_interrupted(store: Store) -> None:
    done = await store.exchange(response="whole")
    asked = await store.ask()
    await store.messages.save({asked.id: "half"})
    await store.ask(owner=BOB)
    assert await store.messages.interrupt_running(LOST) == 2
    assert await store.messages.interrupt_running(LOST) == 0
    message = await store.messages.get(ANN, asked.id)
    assert (message.status, message.response, message.error) == ("interrupted", "half", LOST)
    assert (await store.messages.get(ANN, done.id)).status == "complete"


@pytest.mark.parametrize(
    "text",
    ["", "中文，好", "👩‍👩‍👧‍👦\U0001f600", "x" * 200_000, "a\\b'\"%_;--", "\u2028\r\n\t\x07\ufffe"],
    ids=["empty", "chinese", "emoji", "long", "signs", "controls"],
)
async def test_every_text_comes_back_as_it_was(store: Store, text: str) -> None:
    asked = await store.exchange(text or "?", text)
    message = await store.messages.get(ANN, asked.id)
    assert (message.query, message.response) == (text or "?", text)


async def test_what_cannot_be_stored_in_an_answer_is_replaced(store: Store) -> None:
    saved, finished = await store.ask(), await store.ask()
    await store.messages.save({saved.id: "a\0b\ud83dc"})
    await store.messages.finish(finished.id, Outcome("complete", "\0\0"))
    assert (await store.messages.get(ANN, saved.id)).response == "a\ufffdb\ufffdc"
    assert (await store.messages.get(ANN, finished.id)).response == "\ufffd\ufffd"


async def test_a_problem_with_any_text_is_kept(store: Store) -> None:
    asked = await store.ask()
    problem = Problem(code="worker_lost", message="NUL \0, 中文 and \\u0000")
    await store.messages.finish(asked.id, Outcome("failed", "", problem))
    assert (await store.messages.get(ANN, asked.id)).error == problem


async def test_memory_is_the_branch_above_newest_first(store: Store) -> None:
    first = await store.exchange("one", "1")
    id = first.conversation_id
    await store.exchange("a twig", conversation_id=id, parent_id=first.id)
    second = await store.exchange("two", "2", conversation_id=id, parent_id=first.id)
    third = await store.ask("three", conversation_id=id)
    newest = Exchange(second.id, "two", "2", "complete")
    oldest = Exchange(first.id, "one", "1", "complete")
    assert await store.messages.memory(ANN, third.id, 10) == [newest, oldest]
    assert await store.messages.memory(ANN, third.id, 1) == [newest]
    assert await store.messages.memory(ANN, first.id, 10) == []
    with pytest.raises(NotFound):
        await store.messages.memory(BOB, third.id, 10)


async def test_messages_of_somebody_else_are_not_found(store: Store) -> None:
    bobs = await store.exchange(owner=BOB)
    anns = await store.exchange()
    with pytest.raises(NotFound):
        await store.messages.get(ANN, bobs.id)
    with pytest.raises(NotFound):
        await store.messages.page(ANN, bobs.conversation_id, limit=9)
    with pytest.raises(NotFound):
        await store.messages.page(ANN, anns.conversation_id, limit=9, before=bobs.id)
    with pytest.raises(NotFound):
        await store.messages.all(ANN, bobs.conversation_id)
