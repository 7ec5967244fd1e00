"""What hands do on a keyboard."""

from __future__ import annotations

import re

import pytest
from playwright.sync_api import CDPSession, Route, expect

from tests.browser.chat import Chat
from tests.browser.server import Server, sentence

pytestmark = [pytest.mark.browser, pytest.mark.slow]


def press_while_composing(keyboard: CDPSession, key: str) -> None:
    """As an input method passes a key on: with the code 229 instead of the key's own."""
    for kind in ("rawKeyDown", "keyUp"):
        event = {"type": kind, "key": key, "code": key, "windowsVirtualKeyCode": 229}
        keyboard.send("Input.dispatchKeyEvent", event)


def test_enter_picks_a_word_of_an_input_method_and_sends_only_after_it(
    chat: Chat, server: Server
) -> None:
    keyboard = chat.page.context.new_cdp_session(chat.page)
    chat.composer.focus()
    composed = {"text": "ni hao", "selectionStart": 6, "selectionEnd": 6}
    keyboard.send("Input.imeSetComposition", composed)
    press_while_composing(keyboard, "Enter")
    expect(chat.composer).to_have_value("ni hao")
    expect(chat.turns).to_have_count(0)
    keyboard.send("Input.insertText", {"text": "你好"})
    expect(chat.composer).to_have_value("你好")
    expect(chat.turns).to_have_count(0)
    chat.composer.press("Enter")
    chat.wait_whole("你好")
    assert server.last(chat.id).query == "你好"


def test_shift_and_enter_make_a_new_line(chat: Chat, server: Server) -> None:
    chat.composer.press_sequentially("one")
    chat.composer.press("Shift+Enter")
    chat.composer.press_sequentially("two")
    chat.composer.press("Enter")
    expect(chat.turns).to_have_count(1)
    chat.wait_done()
    assert server.last(chat.id).query == "one\ntwo"


def test_each_chat_keeps_its_draft_over_a_reload(chat: Chat, server: Server) -> None:
    first, second = server.ask("first with a draft"), server.ask("second with a draft")
    chat.composer.fill("of a new chat")
    chat.page.reload()
    expect(chat.composer).to_have_value("of a new chat")
    chat.row("first with a draft").locator("a").click()
    expect(chat.answers.last).to_have_text("first with a draft")
    expect(chat.composer).to_have_value("")
    chat.composer.fill("of the first")
    chat.row("second with a draft").locator("a").click()
    expect(chat.answers.last).to_have_text("second with a draft")
    chat.composer.fill("of the second")
    chat.open_chat(first)
    expect(chat.composer).to_have_value("of the first")
    chat.open_chat(second)
    expect(chat.composer).to_have_value("of the second")
    chat.composer.press("Enter")
    chat.wait_whole("of the second")
    chat.page.reload()
    chat.wait_whole("of the second")
    expect(chat.composer).to_have_value("")


def test_a_question_that_is_faster_than_its_conversation_is_sent_all_the_same(
    chat: Chat, server: Server
) -> None:
    there = server.ask("was here before")
    held: list[Route] = []
    messages = re.compile(r"/api/conversations/\w+/messages")
    chat.page.route(messages, lambda route: held.append(route))
    with chat.page.expect_request(messages):
        chat.open_chat(there)
    chat.composer.fill("at once")
    chat.composer.press("Enter")
    expect(chat.composer).to_have_value("at once")
    for route in held:
        route.continue_()
    chat.page.unroute(messages)
    chat.wait_whole("at once")
    expect(chat.composer).to_have_value("")
    expect(chat.turns).to_have_count(2)


def test_everything_goes_without_a_mouse(chat: Chat, server: Server) -> None:
    keys = chat.page.keyboard
    found = server.ask("a needle for the palette")
    expect(chat.composer).to_be_focused()
    keys.type("typed without a mouse")
    keys.press("Enter")
    chat.wait_whole("typed without a mouse")
    first = chat.id

    keys.press("Control+Shift+O")
    expect(chat.page.get_by_role("heading", name="What would you like to know?")).to_be_visible()
    expect(chat.composer).to_be_focused()

    keys.press("Control+/")
    sheet = chat.page.get_by_role("dialog", name="Keyboard shortcuts")
    expect(sheet).to_contain_text("Search chats and commands")
    keys.press("Escape")
    expect(sheet).to_have_count(0)

    keys.press("Control+K")
    palette = chat.page.get_by_role("dialog", name="Command palette")
    expect(palette.get_by_role("textbox")).to_be_focused()
    keys.type("needle for the pal")
    expect(palette.get_by_role("option", name="a needle for the palette")).to_be_visible()
    keys.press("Enter")
    expect(chat.answers.last).to_have_text("a needle for the palette")
    assert chat.id == found

    keys.press("Control+K")
    keys.type("operators")
    expect(palette.get_by_role("option", name="Operators")).to_be_visible()
    keys.press("Enter")
    expect(chat.page.get_by_role("heading", name="Operators")).to_be_visible()
    chat.open_chat(first)
    chat.wait_whole("typed without a mouse")


def test_escape_stops_the_answer(chat: Chat, server: Server) -> None:
    chat.choose("slow")
    chat.composer.focus()
    chat.page.keyboard.insert_text(sentence(1000))
    chat.page.keyboard.press("Enter")
    chat.wait_words(3)
    chat.page.keyboard.press("Escape")
    expect(chat.turns.last.get_by_text("Stopped", exact=True)).to_be_visible()
    assert server.last(chat.id).status == "stopped"
    expect(chat.composer).to_be_focused()


def test_the_first_stop_of_the_tab_key_skips_the_list(chat: Chat) -> None:
    chat.open("/fleet")
    expect(chat.page.get_by_role("heading", name="Operators")).to_be_visible()
    chat.page.keyboard.press("Tab")
    expect(chat.page.get_by_role("link", name="Skip the list of chats")).to_be_focused()
    chat.page.keyboard.press("Enter")
    expect(chat.page.get_by_role("main")).to_be_focused()
