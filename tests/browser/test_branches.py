"""Several answers to a question, and several questions in one place."""

from __future__ import annotations

import pytest
from playwright.sync_api import Locator, expect

from tests.browser.chat import Chat
from tests.browser.server import Server

pytestmark = [pytest.mark.browser, pytest.mark.slow]


def questions(chat: Chat) -> Locator:
    return chat.turns.last.get_by_role("group", name="Versions of the question")


def step(switch: Locator, name: str) -> None:
    switch.get_by_role("button", name=name).click()


def test_a_question_edited_makes_a_branch_that_can_be_left_again(
    chat: Chat, server: Server
) -> None:
    chat.ask("root of the tree").ask("first thought")
    chat.turns.last.hover()
    chat.button("Edit and ask again").click()
    editor = chat.page.get_by_role("textbox", name="Edit the question")
    expect(editor).to_be_focused()
    editor.fill("second thought")
    editor.press("Enter")
    chat.wait_whole("second thought")
    expect(chat.turns).to_have_count(2)
    expect(questions(chat)).to_contain_text("2/2")

    chat.ask("below the second")
    second = [m.query for m in server.messages(chat.id)]
    assert second == ["root of the tree", "second thought", "below the second"]

    step(chat.turns.nth(1).get_by_role("group"), "Previous version")
    chat.wait_whole("first thought")
    expect(chat.turns).to_have_count(2)
    assert [m.query for m in server.messages(chat.id)] == ["root of the tree", "first thought"]

    chat.page.reload()
    chat.wait_whole("first thought")
    expect(chat.turns).to_have_count(2)
    step(chat.turns.last.get_by_role("group"), "Next version")
    chat.wait_whole("below the second")
    expect(chat.turns).to_have_count(3)
    assert [m.query for m in server.messages(chat.id)] == second


def test_an_edit_left_changes_nothing(chat: Chat, server: Server) -> None:
    chat.ask("as it was")
    chat.composer.press("ArrowUp")
    editor = chat.page.get_by_role("textbox", name="Edit the question")
    editor.fill("something else")
    editor.press("Escape")
    expect(editor).to_have_count(0)
    expect(chat.turns.first).to_contain_text("as it was")
    assert [m.query for m in server.messages(chat.id)] == ["as it was"]


def test_a_question_is_answered_again_beside_the_first_answer(chat: Chat, server: Server) -> None:
    chat.ask("say it twice")
    first = server.last(chat.id)
    chat.button("Answer again").click()
    switch = chat.turns.last.get_by_role("group", name="Versions of the answer")
    expect(switch).to_contain_text("2/2")
    chat.wait_whole("say it twice")
    second = server.last(chat.id)
    assert second.siblings == (first.id, second.id)
    assert (first.query, first.parent_id) == (second.query, second.parent_id)
    step(switch, "Previous version")
    expect(switch).to_contain_text("1/2")
    assert server.last(chat.id).id == first.id
    chat.page.reload()
    expect(switch).to_contain_text("1/2")


def test_the_next_question_follows_the_branch_that_is_shown(chat: Chat, server: Server) -> None:
    chat.ask("fork")
    first = server.last(chat.id).id
    chat.button("Answer again").click()
    switch = chat.turns.last.get_by_role("group", name="Versions of the answer")
    expect(switch).to_contain_text("2/2")
    chat.wait_done()
    step(switch, "Previous version")
    expect(switch).to_contain_text("1/2")
    chat.ask("on the first branch")
    assert server.last(chat.id).parent_id == first
