"""The whole chat: real store, real chain, a scripted gateway."""

from __future__ import annotations

import asyncio
import json
from typing import Any

import pytest

from server.core.errors import (
    Conflict,
    Internal,
    ModelNotFound,
    NotFound,
    Overloaded,
    Unprocessable,
    WorkerLost,
)
from server.core.settings import ChatSettings
from server.features.chat.catalogue import ChatModel
from server.features.chat.run import Run
from server.store.messages import Asked, NewMessage
from server.wire.browser import ChatRequest, ConversationChange
from tests.fakes.upstream import Received, Writer, whole
from tests.fakes.waiting import until
from tests.features.chat.conftest import FAST, Make, World
from tests.features.chat.gateway import (
    answers,
    breaks_after,
    chats_of,
    error_event,
    held,
    refuses,
)

ME = "me"


def asked(query: str = "What is Shortline?", **fields: Any) -> ChatRequest:
    return ChatRequest.model_validate({"query": query, **fields})


async def followed(world: World, run: Run, after: int = 0) -> tuple[str, list[str], dict[str, Any]]:
    """The text, the names of the frames without text, and the last frame."""
    text, names, data = "", [], {}
    async for event in world.chat.events(run, after):
        data = json.loads(event.data)
        text += data["text"] if not event.name else ""
        names += [event.name] if event.name else []
    return text, names, data


async def test_an_answer_is_streamed_and_stored(world: Make) -> None:
    here = await world(answers("It ", "is ", "a gateway."))
    run = await here.chat.ask(ME, asked())
    text, names, done = await followed(here, run)
    assert (text, names) == ("It is a gateway.", ["done"])
    assert done["finish_reason"] == "stop"
    assert done["usage"]["completion_tokens"] == 3
    assert done["conversation_name"] == "What is Shortline?"
    stored = await here.messages.get(ME, run.message.id)
    assert (stored.status, stored.response) == ("complete", text)
    assert stored.first_token_s is not None
    conversation = await here.conversations.get(ME, run.conversation_id)
    assert (conversation.leaf_id, conversation.named_by) == (stored.id, "first exchange")


async def test_the_model_sees_the_system_text_and_what_was_said_before(world: Make) -> None:
    here = await world(answers("Yes."))
    first = await here.chat.ask(ME, asked("one", system="Be {brief}.", temperature=0.5))
    await followed(here, first)
    second = await here.chat.ask(ME, asked("two {x}", conversation_id=first.conversation_id))
    await followed(here, second)
    body = chats_of(here.gateway.received)[1]
    assert body["messages"] == [
        {"role": "system", "content": "Be {brief}."},
        {"role": "user", "content": "one"},
        {"role": "assistant", "content": "Yes."},
        {"role": "user", "content": "two {x}"},
    ]
    assert body["temperature"] == 0.5
    assert isinstance(body["seed"], int)


async def test_history_seeds_a_new_conversation(world: Make) -> None:
    here = await world(answers("Yes."))
    turns = [{"role": "user", "content": "q"}, {"role": "assistant", "content": "a"}]
    run = await here.chat.ask(ME, asked("next", history=turns))
    await followed(here, run)
    said = chats_of(here.gateway.received)[0]["messages"]
    assert [turn["content"] for turn in said] == ["q", "a", "next"]  # type: ignore[attr-defined]


async def test_a_number_as_history_limits_what_the_model_sees(world: Make) -> None:
    here = await world(answers("Yes."))
    run = await here.chat.ask(ME, asked("one"))
    await followed(here, run)
    run = await here.chat.ask(ME, asked("two", conversation_id=run.conversation_id, history=0))
    await followed(here, run)
    assert len(chats_of(here.gateway.received)[1]["messages"]) == 1  # type: ignore[arg-type]


async def test_what_does_not_fit_is_left_out_and_said(world: Make) -> None:
    def count(messages: list[dict[str, str]]) -> int:
        return sum(len(message["content"]) for message in messages)

    model = ChatModel("echo", context_length=400, repeats=True)
    here = await world(answers("a" * 100), model=model, counting=count)
    run = await here.chat.ask(ME, asked("q" * 20, system="s" * 30))
    for _ in range(3):
        await followed(here, run)
        run = await here.chat.ask(ME, asked("q" * 20, conversation_id=run.conversation_id))
    _, _, done = await followed(here, run)
    assert done["left_out"] == {"turns": 1, "tokens": pytest.approx(120, abs=15)}
    last = chats_of(here.gateway.received)[-1]["messages"]
    assert last[0]["content"] == "s" * 30  # type: ignore[index]
    assert len(last) == 6  # type: ignore[arg-type]


async def test_a_context_that_was_judged_wrong_is_made_smaller(world: Make) -> None:
    too_long = refuses("400 Bad Request", "context_length_exceeded")
    here = await world(answers("a"), answers("b"), too_long, answers("c"))
    run = await here.chat.ask(ME, asked("one"))
    await followed(here, run)
    run = await here.chat.ask(ME, asked("two", conversation_id=run.conversation_id))
    await followed(here, run)
    run = await here.chat.ask(ME, asked("three", conversation_id=run.conversation_id))
    text, _, done = await followed(here, run)
    assert (text, done["left_out"]["turns"]) == ("c", 1)


async def test_an_error_of_the_model_is_stored_and_shown(world: Make) -> None:
    here = await world(refuses("400 Bad Request", "bad_thing", "You cannot ask that."))
    run = await here.chat.ask(ME, asked())
    text, names, error = await followed(here, run)
    assert (text, names) == ("", ["error"])
    assert (error["code"], error["message"]) == ("bad_thing", "You cannot ask that.")
    stored = await here.messages.get(ME, run.message.id)
    assert stored.status == "failed"
    assert stored.error is not None
    assert stored.error.code == "bad_thing"


async def test_an_answer_goes_on_over_a_cut_when_the_model_repeats_itself(world: Make) -> None:
    here = await world(
        breaks_after("春眠", "不觉"), breaks_after("春"), answers("春眠不", "觉晓", "。")
    )
    run = await here.chat.ask(ME, asked())
    text, names, _ = await followed(here, run)
    assert text == "春眠不觉晓。"
    assert names == ["queue", "queue", "done"] or names == ["queue", "done"]
    bodies = chats_of(here.gateway.received)
    assert len({body["seed"] for body in bodies}) == 1
    assert (await here.messages.get(ME, run.message.id)).response == text


async def test_an_answer_that_turns_out_differently_is_not_joined(world: Make) -> None:
    here = await world(breaks_after("The sky is "), answers("The sea is blue"))
    run = await here.chat.ask(ME, asked())
    text, _, error = await followed(here, run)
    assert (text, error["code"]) == ("The sky is ", "worker_lost")
    stored = await here.messages.get(ME, run.message.id)
    assert (stored.status, stored.response) == ("interrupted", "The sky is ")


async def test_a_model_that_does_not_repeat_itself_is_not_asked_again(world: Make) -> None:
    here = await world(breaks_after("half"), model=ChatModel("online"))
    run = await here.chat.ask(ME, asked())
    text, _, error = await followed(here, run)
    assert (text, error["code"]) == ("half", "worker_lost")
    assert len(chats_of(here.gateway.received)) == 1
    assert "seed" not in chats_of(here.gateway.received)[0]


async def test_a_gateway_that_is_away_for_a_moment_is_waited_for(world: Make) -> None:
    away = refuses("503 Unavailable", "unavailable", "no worker")
    here = await world(away, away, answers("here"))
    run = await here.chat.ask(ME, asked())
    text, names, _ = await followed(here, run)
    assert (text, names[0]) == ("here", "queue")


async def test_a_chat_whose_model_is_asleep_tells_how_far_it_is(world: Make) -> None:
    here = await world(answers("here"))
    is_loaded, otherwise = asyncio.Event(), here.gateway.script

    async def script(request: Received, writer: Writer) -> None:
        if request.head.startswith(b"GET /shortline/queue/"):
            writer.write(whole(b'{"position":0,"loading":true,"done":0.254}'))
            return
        if request.head.startswith(b"POST /v1/chat/completions "):
            await is_loaded.wait()
        await otherwise(request, writer)

    here.gateway.script = script
    run = await here.chat.ask(ME, asked())
    frames = []
    async for event in here.chat.events(run):
        frames.append((event.name, json.loads(event.data)))
        is_loaded.set()
    (name, told), *_, (last, _) = frames
    assert (name, told["reason"], told["done"], told["position"]) == ("queue", "loading", 0.25, 0)
    assert last == "done"


async def test_a_question_that_kills_workers_costs_few_of_them(world: Make) -> None:
    here = await world(breaks_after("a", last=error_event("worker_lost")))
    run = await here.chat.ask(ME, asked())
    with pytest.raises(WorkerLost):
        await here.chat.whole(run)
    assert len(chats_of(here.gateway.received)) == 3


async def test_stop_keeps_what_there_is_and_hangs_up(world: Make) -> None:
    never = asyncio.Event()
    here = await world(held("half of ", until=never))
    run = await here.chat.ask(ME, asked())
    await until(lambda: run.length > 0)
    here.gateway.closed.clear()
    stopped = await here.chat.stop(ME, run.message.id)
    assert (stopped.status, stopped.response) == ("stopped", "half of ")
    await asyncio.wait_for(here.gateway.closed.wait(), 2)
    _, names, done = await followed(here, run)
    assert (names, done["finish_reason"]) == (["done"], "stopped")
    again = await here.chat.stop(ME, run.message.id)
    assert again == stopped


async def test_an_answer_nobody_listens_to_goes_on_for_a_while_only(world: Make) -> None:
    short = FAST.model_copy(update={"grace_s": 0.1})
    here = await world(held("half", until=asyncio.Event()), settings=short)
    run = await here.chat.ask(ME, asked())
    await until(lambda: run.end is not None)
    text, _, error = await followed(here, run)
    assert (text, error["code"]) == ("half", "abandoned")
    assert (await here.messages.get(ME, run.message.id)).status == "interrupted"


async def test_a_reader_keeps_an_answer_alive(world: Make) -> None:
    short = FAST.model_copy(update={"grace_s": 0.05})
    go_on = asyncio.Event()
    here = await world(held("half ", until=go_on), settings=short)
    run = await here.chat.ask(ME, asked())
    reading = asyncio.create_task(followed(here, run))
    await asyncio.sleep(0.2)
    go_on.set()
    assert (await reading)[0] == "half end"


async def test_what_is_written_is_saved_while_it_is_written(world: Make) -> None:
    go_on = asyncio.Event()
    here = await world(held("half ", until=go_on))
    run = await here.chat.ask(ME, asked())

    async def saved() -> str:
        return (await here.messages.get(ME, run.message.id)).response

    async with asyncio.timeout(2):
        while await saved() != "half ":  # noqa: ASYNC110 - it is looked for from outside
            await asyncio.sleep(0.01)
    assert (await here.messages.get(ME, run.message.id)).status == "running"
    go_on.set()
    assert (await followed(here, run))[0] == "half end"


async def test_answers_end_with_the_server_and_are_stored(world: Make) -> None:
    here = await world(held("half", until=asyncio.Event()))
    run = await here.chat.ask(ME, asked())
    await until(lambda: run.length > 0)
    here.chat.end_all()
    with pytest.raises(Internal):
        await here.chat.whole(run)
    stored = await here.messages.get(ME, run.message.id)
    assert (stored.status, stored.error and stored.error.code) == ("interrupted", "server_stopped")


async def test_a_stored_answer_is_followed_like_a_running_one(world: Make) -> None:
    here = await world(answers("It is ", "a gateway."))
    run = await here.chat.ask(ME, asked())
    live = await followed(here, run)
    await until(lambda: here.chat._answers.find(ME, run.message.id) is None)
    again = await here.chat.find(ME, run.message.id)
    assert await followed(here, again) == live
    assert (await followed(here, again, after=6))[0] == "a gateway."


async def test_one_key_makes_one_answer(world: Make) -> None:
    here = await world(answers("Yes."))
    runs = await asyncio.gather(
        *(here.chat.ask(ME, asked(), key="k", fingerprint="f") for _ in range(20))
    )
    assert len({run.message.id for run in runs}) == 1
    assert {(await followed(here, run))[0] for run in runs} == {"Yes."}
    assert len(chats_of(here.gateway.received)) == 1
    with pytest.raises(Unprocessable):
        await here.chat.ask(ME, asked("other"), key="k", fingerprint="g")
    assert (await here.chat.ask("you", asked(), key="k", fingerprint="f")).is_new


async def test_an_answer_that_is_about_to_begin_is_found_as_a_running_one(
    world: Make, monkeypatch: pytest.MonkeyPatch
) -> None:
    here = await world(answers("Yes."))
    store, stored, go_on = here.messages.ask, asyncio.Event(), asyncio.Event()

    async def dawdle(owner: str, new: NewMessage) -> Asked:
        done = await store(owner, new)
        if done.is_new:
            stored.set()
            await go_on.wait()
        return done

    monkeypatch.setattr(here.messages, "ask", dawdle)
    first = asyncio.create_task(here.chat.ask(ME, asked(), key="k"))
    await stored.wait()
    second = asyncio.create_task(here.chat.ask(ME, asked(), key="k"))
    await asyncio.sleep(0.05)
    go_on.set()
    for run in (await first, await second):
        assert (await followed(here, run))[:2] == ("Yes.", ["done"])


async def test_one_branch_has_one_answer_at_a_time(world: Make) -> None:
    go_on = asyncio.Event()
    here = await world(held("half", until=go_on))
    run = await here.chat.ask(ME, asked())
    with pytest.raises(Conflict):
        await here.chat.ask(ME, asked("next", conversation_id=run.conversation_id))
    beside = asked("another", conversation_id=run.conversation_id, parent_id="")
    other = await here.chat.ask(ME, beside)
    go_on.set()
    assert other.message.parent_id is None
    await followed(here, other)
    assert set((await here.messages.get(ME, run.message.id)).siblings) == {
        run.message.id,
        other.message.id,
    }


async def test_a_refused_question_changes_nothing(world: Make) -> None:
    here = await world(answers("Yes."), settings=ChatSettings(max_running=1))
    for bad in (
        asked(model="unknown"),
        asked(conversation_id="0" * 32),
        asked(parent_id="0" * 32),
    ):
        with pytest.raises(NotFound):
            await here.chat.ask(ME, bad)
    mine = await here.chat.ask(ME, asked())
    await followed(here, mine)
    with pytest.raises(NotFound):
        await here.chat.ask("you", asked(conversation_id=mine.conversation_id))
    with pytest.raises(NotFound):
        await here.chat.find("you", mine.message.id)
    with pytest.raises(NotFound):
        await here.chat.stop("you", mine.message.id)
    page = await here.conversations.page(ME, limit=10)
    assert [conversation.id for conversation in page.items] == [mine.conversation_id]
    assert not (await here.conversations.page("you", limit=10)).items


async def test_there_are_only_so_many_answers_at_once(world: Make) -> None:
    settings = ChatSettings(max_running=1)
    here = await world(held("half", until=asyncio.Event()), settings=settings)
    await here.chat.ask(ME, asked())
    with pytest.raises(Overloaded):
        await here.chat.ask(ME, asked("another"))


async def test_the_model_of_the_conversation_is_asked_unless_another_is_named(
    world: Make,
) -> None:
    here = await world(answers("Yes."))
    run = await here.chat.ask(ME, asked(model="echo"))
    await followed(here, run)
    gone = ConversationChange(model="gone")
    await here.conversations.change(ME, run.conversation_id, gone)
    run = await here.chat.ask(ME, asked(conversation_id=run.conversation_id))
    assert (await followed(here, run))[1] == ["done"]
    with pytest.raises(ModelNotFound):
        await here.chat.ask(ME, asked(conversation_id=run.conversation_id, model="gone"))


async def test_nul_never_reaches_the_database(world: Make) -> None:
    here = await world(answers("a\0b"))
    run = await here.chat.ask(ME, asked())
    text, _, _ = await followed(here, run)
    assert text == "a\N{REPLACEMENT CHARACTER}b"
    assert (await here.messages.get(ME, run.message.id)).response == text


async def test_deleting_a_conversation_ends_its_answers(world: Make) -> None:
    here = await world(held("half", until=asyncio.Event()))
    run = await here.chat.ask(ME, asked())
    await here.chat.cancel_conversation(ME, run.conversation_id)
    await here.conversations.delete(ME, run.conversation_id)
    assert run.end is not None
    with pytest.raises(NotFound):
        await here.chat.find(ME, run.message.id)
