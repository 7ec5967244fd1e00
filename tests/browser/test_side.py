"""The list of chats: found, named, pinned, deleted."""

from __future__ import annotations

import re

import pytest
from playwright.sync_api import expect

from tests.browser.chat import Chat
from tests.browser.conftest import NewChat
from tests.browser.server import Server

pytestmark = [pytest.mark.browser, pytest.mark.slow]


def test_a_search_finds_titles_and_texts(new_chat: NewChat, server: Server) -> None:
    titled = server.ask("nothing to see")
    server.rename(titled, "Quokka breeding")
    texted = server.ask("on the feeding of one QUOKKA in winter")
    server.rename(texted, "Winter notes")
    server.rename(server.ask("about something else"), "Unrelated")
    chat = new_chat(server.url).open()
    field = chat.page.get_by_role("searchbox", name="Search chats")
    field.fill("quokka")
    rows = chat.page.locator("nav li")
    expect(rows).to_have_count(2)
    expect(chat.row("Quokka breeding")).to_have_count(1)
    expect(chat.row("Winter notes").locator("mark")).to_have_text(["QUOKKA"])
    field.fill("no such words anywhere")
    expect(chat.page.get_by_text("Nothing found for “no such words anywhere”.")).to_be_visible()
    field.press("Escape")
    expect(field).to_have_value("")
    expect(chat.row("Unrelated")).to_have_count(1)


def test_a_chat_is_named_by_its_first_question_and_then_by_hand(chat: Chat, server: Server) -> None:
    chat.ask("the oldest lighthouse")
    expect(chat.row("the oldest lighthouse")).to_have_count(1)
    expect(chat.page).to_have_title(re.compile("^the oldest lighthouse"))
    chat.row_menu("the oldest lighthouse", "Rename")
    field = chat.page.get_by_role("textbox", name="Name of the chat")
    expect(field).to_be_focused()
    field.fill("Pharos")
    field.press("Enter")
    expect(chat.row("Pharos")).to_have_count(1)
    expect(chat.page).to_have_title("Pharos · Shortline")
    stored = server.conversation(chat.id)
    assert (stored.name, stored.named_by) == ("Pharos", "person")
    chat.row("Pharos").locator("a").press("F2")
    field.fill("not this")
    field.press("Escape")
    expect(chat.row("Pharos")).to_have_count(1)
    assert server.conversation(chat.id).name == "Pharos"


def test_a_pinned_chat_stands_on_top(chat: Chat, server: Server) -> None:
    chat.ask("keep me in sight")
    id = chat.id
    server.ask("something newer")
    chat.row_menu("keep me in sight", "Pin")
    pinned = chat.page.get_by_role("group", name="Pinned")
    expect(pinned.locator("li").filter(has_text="keep me in sight")).to_have_count(1)
    assert server.conversation(id).pinned
    chat.page.reload()
    expect(chat.page.locator("nav li").first).to_contain_text("keep me in sight")
    chat.row_menu("keep me in sight", "Unpin")
    expect(pinned).to_have_count(0)
    assert not server.conversation(id).pinned


def test_a_chat_is_deleted_only_when_that_is_confirmed(chat: Chat, server: Server) -> None:
    chat.ask("of no further use")
    id = chat.id
    chat.row_menu("of no further use", "Delete")
    dialog = chat.page.get_by_role("alertdialog", name="Delete this chat?")
    expect(dialog).to_contain_text("“of no further use” and all its answers")
    dialog.get_by_role("button", name="Cancel").click()
    assert server.get(f"/api/conversations/{id}").status_code == 200
    chat.row_menu("of no further use", "Delete")
    dialog.get_by_role("button", name="Delete").click()
    expect(chat.page.get_by_text("Chat deleted")).to_be_visible()
    expect(chat.row("of no further use")).to_have_count(0)
    expect(chat.page).to_have_url(f"{server.url}/")
    assert server.get(f"/api/conversations/{id}").status_code == 404


def test_what_another_window_does_shows_in_the_list(chat: Chat, server: Server) -> None:
    chat.ask("seen from both sides")
    second = Chat(chat.page.context.new_page(), server.url).open_chat(chat.id)
    expect(second.row("seen from both sides")).to_have_count(1)
    chat.page.bring_to_front()  # behind another tab, a page is drawn seldom
    chat.row_menu("seen from both sides", "Rename")
    field = chat.page.get_by_role("textbox", name="Name of the chat")
    field.fill("Renamed over there")
    field.press("Enter")
    expect(second.row("Renamed over there")).to_have_count(1)
    expect(second.page).to_have_title("Renamed over there · Shortline")
