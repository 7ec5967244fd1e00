"""The settings of a chat, and taking it away as a file."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from playwright.sync_api import Locator, expect

from tests.browser.chat import Chat
from tests.browser.server import Server

pytestmark = [pytest.mark.browser, pytest.mark.slow]


def drawer(chat: Chat) -> Locator:
    return chat.page.get_by_role("dialog", name="Settings")


def field(chat: Chat, name: str) -> Locator:
    return drawer(chat).get_by_role("textbox", name=name, exact=True)


def test_settings_of_a_new_chat_are_sent_and_kept_with_it(chat: Chat, server: Server) -> None:
    chat.page.get_by_role("button", name="Settings").click()
    field(chat, "System prompt").fill("Answer in three words.")
    field(chat, "Temperature").fill("0.3")
    field(chat, "Longest answer").fill("3")
    field(chat, "Seed").fill("7")
    drawer(chat).get_by_role("button", name="Close").click()
    expect(drawer(chat)).to_have_count(0)
    chat.ask("one two three four five")
    expect(chat.answers.last).to_have_text("one two three")
    expect(chat.turns.last.get_by_text("Cut off: the answer reached")).to_be_visible()
    stored = server.last(chat.id)
    sent = stored.settings
    assert (sent.system, sent.temperature, sent.max_tokens, sent.seed) == (
        "Answer in three words.",
        0.3,
        3,
        7,
    )
    # The model counts what it was told: the system prompt and the question.
    assert stored.usage is not None
    assert stored.usage.prompt_tokens >= 9
    assert stored.finish_reason == "length"

    chat.page.reload()
    chat.page.keyboard.press("Control+.")
    expect(field(chat, "System prompt")).to_have_value("Answer in three words.")
    expect(field(chat, "Temperature")).to_have_value("0.3")


def test_settings_changed_in_a_chat_are_saved_at_once(chat: Chat, server: Server) -> None:
    chat.ask("before the change")
    chat.page.keyboard.press("Control+.")
    field(chat, "Temperature").fill("1.5")
    status = drawer(chat).get_by_role("status")
    expect(status).to_have_text("Saved")
    assert server.conversation(chat.id).settings.temperature == 1.5
    field(chat, "Temperature").fill("9")
    expect(drawer(chat).get_by_role("alert")).to_have_text("At most 2.")
    drawer(chat).get_by_role("button", name="Reset all").click()
    expect(field(chat, "Temperature")).to_have_value("")
    expect(status).to_have_text("Saved")
    chat.page.keyboard.press("Escape")
    chat.ask("after the reset")
    assert server.last(chat.id).settings.temperature is None


@pytest.mark.parametrize("item", ["Markdown", "JSON"])
def test_a_chat_is_exported_as_a_file(
    chat: Chat, server: Server, tmp_path: Path, item: str
) -> None:
    chat.open_chat(server.ask("what goes out of the house"))
    chat.page.get_by_role("button", name="Export").click()
    with chat.page.expect_download() as waiting:
        chat.menu.get_by_role("menuitem", name=item).click()
    suffix = {"Markdown": ".md", "JSON": ".json"}[item]
    assert waiting.value.suggested_filename == f"what goes out of the house{suffix}"
    waiting.value.save_as(tmp_path / "file")
    content = (tmp_path / "file").read_text("utf-8")
    if item == "JSON":
        assert json.loads(content)["messages"][0]["response"] == "what goes out of the house"
    else:
        assert content.startswith("# what goes out of the house\n")
        assert content.count("what goes out of the house") == 3
