"""The operators' page: what runs, live, and what can be done to it."""

from __future__ import annotations

import re

import pytest
from playwright.sync_api import Locator, expect

from tests.browser.chat import Chat
from tests.browser.server import Server, sentence
from tests.browser.watch import REFUSED, Watch
from tests.system.launch import until

pytestmark = [pytest.mark.browser, pytest.mark.slow]

RESTARTED_MS = 30_000


def widen(chat: Chat) -> Chat:
    """The table needs more room than a small window has; there, cards are shown."""
    chat.page.set_viewport_size({"width": 1500, "height": 900})
    return chat


def row(chat: Chat, model: str) -> Locator:
    return chat.page.get_by_role("table", name="Workers").locator("tbody").filter(has_text=model)


def act(chat: Chat, model: str, action: str) -> None:
    row(chat, model).get_by_role("button", name="Actions for").click()
    chat.menu.get_by_role("menuitem", name=re.compile(f"^{action}")).click()


def test_workers_and_what_they_do_are_shown_live(chat: Chat, server: Server) -> None:
    chat.choose("slow").send(sentence(2000)).wait_words(2)
    id = chat.id
    watcher = widen(Chat(chat.page.context.new_page(), server.url)).open("/fleet")
    expect(watcher.page.get_by_text("Live", exact=True)).to_be_visible()
    expect(watcher.page.get_by_role("heading", name="Everything is running")).to_be_visible()
    for model in ("echo", "slow", "lost", "shortline-mini"):
        expect(row(watcher, model).get_by_text("Ready")).to_be_visible()
    expect(watcher.page.get_by_role("table", name="Services")).to_contain_text("Gateway")
    expect(row(watcher, "slow")).to_contain_text("1 / ")
    chat.page.bring_to_front()
    chat.stop.click()
    chat.wait_done()
    assert server.last(id).status == "stopped"
    watcher.page.bring_to_front()
    expect(row(watcher, "slow")).to_contain_text("0 / ")


def test_a_worker_is_stopped_and_started_and_its_answers_fail_meanwhile(
    chat: Chat, server: Server, watch: Watch
) -> None:
    watch.expect(REFUSED)
    question = Chat(chat.page.context.new_page(), server.url).open().choose("lost")
    question.ask("while it is there")

    chat.page.bring_to_front()
    widen(chat).open("/fleet")
    act(chat, "lost", "Stop")
    dialog = chat.page.get_by_role("alertdialog")
    expect(dialog).to_contain_text("No other worker serves lost")
    dialog.get_by_role("button", name="Stop").click()
    expect(row(chat, "lost").get_by_text("Stopped")).to_be_visible()
    assert server.worker("lost").status == "stopped"

    question.page.bring_to_front()
    question.send("while it is away")
    card = question.turns.last.get_by_role("alert")
    expect(card).to_contain_text("There is no answer")
    failed = server.last(question.id)
    assert (failed.status, failed.response) == ("failed", "")

    chat.page.bring_to_front()
    act(chat, "lost", "Start")
    expect(row(chat, "lost").get_by_text("Ready")).to_be_visible(timeout=RESTARTED_MS)
    until(lambda: server.worker("lost").models == ("lost",), 10)

    question.page.bring_to_front()
    card.get_by_role("button", name="Retry").click()
    question.wait_whole("while it is away")
    retried = server.last(question.id)
    assert (retried.status, retried.siblings) == ("complete", (failed.id, retried.id))
