"""A question and its answer, in the page and in what is stored."""

from __future__ import annotations

import pytest
from playwright.sync_api import expect

from tests.browser.chat import Chat
from tests.browser.conftest import NewChat
from tests.browser.server import Server, sentence
from tests.browser.watch import REFUSED, Watch
from tests.system.launch import until

pytestmark = [pytest.mark.browser, pytest.mark.slow]


def test_the_bundled_model_answers_a_suggestion(chat: Chat, server: Server) -> None:
    chat.choose("shortline-mini")
    chat.page.get_by_role("button", name="What is Shortline?").click()
    expect(chat.turns).to_have_count(1)
    chat.wait_done()
    stored = server.ended(chat.id)
    assert (stored.query, stored.status, stored.model) == (
        "What is Shortline?",
        "complete",
        "shortline-mini",
    )
    assert len(stored.response) > 20
    assert chat.text().split() == stored.response.split()
    expect(chat.row(server.conversation(chat.id).name)).to_have_count(1)


def test_an_answer_shows_while_it_is_written(chat: Chat, server: Server) -> None:
    question = sentence(80)
    chat.choose("slow").send(question).wait_words(5)
    expect(chat.stop).to_be_visible()
    assert server.last(chat.id).status == "running"
    assert len(chat.text()) < len(question)
    chat.wait_whole(question)
    expect(chat.page.get_by_text("The answer is complete.")).to_have_count(1)
    assert server.last(chat.id).response == question


def test_stop_ends_the_answer_at_the_worker_too(chat: Chat, server: Server) -> None:
    chat.choose("slow").send(sentence(2000)).wait_words(5)
    until(lambda: server.worker("slow").in_flight == 1, 5)
    chat.stop.click()
    expect(chat.turns.last.get_by_text("Stopped", exact=True)).to_be_visible()
    stored = server.last(chat.id)
    assert stored.status == "stopped"
    until(lambda: (server.worker("slow").in_flight, server.worker("slow").running) == (0, 0), 8)
    chat.pause(0.5)
    assert server.last(chat.id).response == stored.response
    assert chat.text() == stored.response
    expect(chat.stop).to_have_count(0)


def test_an_answer_goes_on_while_another_chat_is_open(chat: Chat, server: Server) -> None:
    other = server.ask("a chat beside it")
    question = sentence(100)
    chat.choose("slow").send(question).wait_words(3)
    first = chat.id
    chat.row("a chat beside it").locator("a").click()
    expect(chat.answers.last).to_have_text("a chat beside it")
    assert chat.id == other
    chat.page.go_back()
    chat.wait_whole(question)
    assert server.ended(first).response == question


def test_a_model_that_is_gone_is_named_and_another_can_be_taken(
    chat: Chat, server: Server, watch: Watch
) -> None:
    watch.expect(REFUSED)
    chat.open_chat(server.create(name="asks in vain", model="vanished"))
    expect(chat.page.get_by_text("“vanished” is not available right now.")).to_be_visible()
    chat.send("is anybody there")
    card = chat.turns.get_by_role("alert")
    expect(card).to_contain_text("This model is not there any more.")
    expect(card.locator("[data-tip*=model_not_found]")).to_be_visible()
    chat.choose("echo")
    card.get_by_role("button", name="Retry").click()
    expect(chat.answers.last).to_have_text("is anybody there")
    expect(chat.turns).to_have_count(1)
    assert [m.status for m in server.messages(chat.id)] == ["complete"]


def test_a_chat_that_does_not_exist_says_so(
    new_chat: NewChat, server: Server, watch: Watch
) -> None:
    watch.expect(REFUSED)
    chat = new_chat(server.url).open_chat("0" * 32)
    expect(chat.page.get_by_role("heading", name="This chat does not exist")).to_be_visible()
    chat.page.get_by_role("button", name="Start a new chat").click()
    expect(chat.page.get_by_role("heading", name="What would you like to know?")).to_be_visible()
    chat.open("/c/no-id-at-all")
    expect(chat.page.get_by_role("heading", name="This chat does not exist")).to_be_visible()
