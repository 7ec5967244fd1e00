"""Servers that are killed in the middle of an answer."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from playwright.sync_api import expect

from tests.browser.conftest import NewChat
from tests.browser.server import SLOW, Server, sentence, served
from tests.browser.watch import NETWORK_FAILED, REFUSED, Watch
from tests.system.launch import until

pytestmark = [pytest.mark.browser, pytest.mark.system, pytest.mark.slow]

BACK_S = 30.0


@pytest.fixture(scope="module")
def mortal(built: None, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """A product of this file's own, as others should not see theirs die."""
    with served(tmp_path_factory.mktemp("mortal") / "home", [SLOW]) as running:
        yield running


def test_an_answer_whose_app_server_was_killed_is_kept_marked_and_can_be_retried(
    new_chat: NewChat, mortal: Server, watch: Watch
) -> None:
    watch.expect(f"{NETWORK_FAILED}|{REFUSED}")
    question = sentence(150)
    chat = new_chat(mortal.url).open().send(question).wait_words(40)
    id = chat.id
    before = mortal.launch.kill("api")
    until(lambda: mortal.launch.child("api").pid not in (before, None), BACK_S)
    until(lambda: mortal.launch.child("api").status == "ready", BACK_S)
    assert mortal.launch.address("api") == mortal.url

    expect(chat.turns.last.get_by_text("The answer was interrupted.")).to_be_visible(timeout=20_000)
    kept = mortal.last(id)
    assert (kept.query, kept.status) == (question, "interrupted")
    assert len(kept.response.split()) > 10
    assert question.startswith(kept.response)
    assert question.startswith(chat.text())
    chat.page.reload()
    chat.wait_whole(kept.response.strip())
    expect(chat.turns.last.get_by_text("The answer was interrupted.")).to_be_visible()

    chat.turns.last.get_by_role("button", name="Retry").click()
    chat.wait_whole(question)
    retried = mortal.last(id)
    assert (retried.response, retried.status) == (question, "complete")
    assert retried.siblings == (kept.id, retried.id)
    expect(chat.turns.last.get_by_text("2/2")).to_be_visible()


def test_an_answer_whose_gateway_was_killed_is_whole(
    new_chat: NewChat, mortal: Server, watch: Watch
) -> None:
    watch.expect(f"{NETWORK_FAILED}|{REFUSED}")
    question = sentence(150)
    chat = new_chat(mortal.url).open().send(question).wait_words(40)
    mortal.launch.kill("openai_api")
    expect(chat.page.get_by_text("The model was lost.")).to_be_visible()
    chat.wait_whole(question)
    stored = mortal.last(chat.id)
    assert (stored.response, stored.status) == (question, "complete")
