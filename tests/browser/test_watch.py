"""The watch over all other tests: it must not sleep."""

from __future__ import annotations

import pytest

from tests.browser.chat import Chat
from tests.browser.watch import Watch

pytestmark = [pytest.mark.browser, pytest.mark.slow]

OFFENCES = {
    "console error": "console.error('complained')",
    "uncaught": "setTimeout(() => { throw new Error('thrown') })",
    "dialog": "setTimeout(() => alert('asked'))",
    "Content Security Policy": "fetch('http://127.0.0.1:9/').catch(() => undefined)",
    "request to another host": "window.open('http://127.0.0.1:9/')",
}


@pytest.mark.parametrize("offence", OFFENCES)
def test_an_offence_is_noted(chat: Chat, watch: Watch, offence: str) -> None:
    chat.page.evaluate(f"() => {{ {OFFENCES[offence]} }}")
    for _ in range(50):
        if offence in " ".join(watch.noted):
            break
        chat.pause(0.1)
    assert offence in " ".join(watch.noted)
    watch.expect("")
    assert watch.noted == []
