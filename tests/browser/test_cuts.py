"""Connections that are lost in the middle of an answer: nothing is lost with them."""

from __future__ import annotations

import random

import pytest
from playwright.sync_api import expect

from tests.browser.chat import Chat
from tests.browser.conftest import NewChat
from tests.browser.server import Server, sentence
from tests.browser.watch import NETWORK_FAILED, Watch
from tests.fakes.chaos_proxy import ChaosProxy

pytestmark = [pytest.mark.browser, pytest.mark.slow]

CUTS = 20


def test_a_reload_in_mid_answer_changes_nothing(chat: Chat, server: Server) -> None:
    question = sentence(150)
    chat.choose("slow").send(question).wait_words(10)
    id = chat.id
    chat.page.reload()
    assert server.last(id).status == "running"
    chat.wait_whole(question)
    assert server.last(id).response == question
    expect(chat.turns).to_have_count(1)


def test_a_second_tab_sees_the_running_answer(chat: Chat, server: Server) -> None:
    question = sentence(150)
    chat.choose("slow").send(question).wait_words(10)
    second = Chat(chat.page.context.new_page(), server.url).open_chat(chat.id)
    second.wait_words(12)
    expect(second.stop).to_be_visible()
    second.wait_whole(question)
    chat.wait_whole(question)
    assert server.last(chat.id).response == question


def test_a_second_tab_hears_of_a_question_asked_in_the_first(chat: Chat, server: Server) -> None:
    chat.ask("the first question")
    second = Chat(chat.page.context.new_page(), server.url).open_chat(chat.id)
    expect(second.turns).to_have_count(1)
    chat.send("the second question")
    expect(second.turns).to_have_count(2)
    second.wait_whole("the second question")


def test_a_browser_that_goes_offline_catches_up(chat: Chat, server: Server, watch: Watch) -> None:
    watch.expect(NETWORK_FAILED)
    question = sentence(150)
    chat.choose("slow").send(question).wait_words(10)
    id = chat.id
    chat.page.context.set_offline(True)
    expect(chat.page.get_by_text("No connection to the server.")).to_be_visible()
    chat.pause(1)
    chat.page.context.set_offline(False)
    chat.wait_whole(question)
    expect(chat.page.get_by_text("No connection to the server.")).to_have_count(0)
    assert server.ended(id).response == question


def test_a_connection_cut_for_seconds_is_taken_up_again(
    new_chat: NewChat, proxy: ChaosProxy, server: Server, watch: Watch
) -> None:
    watch.expect(NETWORK_FAILED)
    question = sentence(200)
    chat = new_chat(proxy.url).open().choose("slow").send(question).wait_words(10)
    id = chat.id
    assert proxy.cut()
    expect(chat.page.get_by_text("Connection lost. Trying again")).to_be_visible()
    before = server.last(id).response
    chat.pause(1)
    assert len(server.last(id).response) > len(before)
    proxy.mend()
    chat.wait_whole(question)
    assert server.last(id).response == question


def test_a_question_asked_without_a_connection_is_sent_once_it_is_back(
    new_chat: NewChat, proxy: ChaosProxy, server: Server, watch: Watch
) -> None:
    watch.expect(NETWORK_FAILED)
    chat = new_chat(proxy.url).open().choose("echo")
    proxy.cut()
    chat.send("asked into the void")
    expect(chat.page.get_by_text("Connection lost. Trying again")).to_be_visible()
    proxy.mend()
    chat.wait_whole("asked into the void")
    assert [m.query for m in server.messages(chat.id)] == ["asked into the void"]
    assert len(server.found("asked into the void")) == 1


def test_twenty_cuts_at_random_moments_lose_and_double_nothing(
    new_chat: NewChat, proxy: ChaosProxy, server: Server, watch: Watch
) -> None:
    watch.expect(NETWORK_FAILED)
    chance = random.Random(7)
    chat = new_chat(proxy.url).open().choose("slow")
    cuts = rounds = 0
    while cuts < CUTS:
        question = sentence(chance.randint(60, 120), f"r{rounds}w")
        chat.send(question)
        expect(chat.turns).to_have_count(rounds + 1)
        rounds += 1
        for _ in range(5):
            chat.pause(chance.uniform(0, 0.5))
            cuts += proxy.cut() > 0
            chat.pause(chance.uniform(0, 0.2))
            proxy.mend()
        chat.wait_whole(question)
    stored = server.messages(chat.id)
    assert len(stored) == rounds
    assert all(message.response == message.query for message in stored)
    shown = [text.strip() for text in chat.answers.all_text_contents()]
    assert shown == [message.response for message in stored]
