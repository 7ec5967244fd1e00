"""Themes, languages and phones."""

from __future__ import annotations

import re
from collections.abc import Iterator

import pytest
from playwright.sync_api import Page, expect

from tests.browser.chat import Chat
from tests.browser.conftest import NewChat
from tests.browser.server import SLOW_S, Server

pytestmark = [pytest.mark.browser, pytest.mark.slow]

PHONE = {"width": 390, "height": 844}
WIDE_ANSWER = f"""\
| {" | ".join(f"a wide column {n}" for n in range(9))} |
|{"---|" * 9}
| {" | ".join("cell" for _ in range(9))} |

```python
{"x = " + " + ".join(f"a_long_name_{n}" for n in range(40))}
```

{"unbreakable" * 40}
"""


def is_dark(page: Page) -> bool:
    """By what is painted, not by what is said."""
    colour = page.evaluate("getComputedStyle(document.body).backgroundColor")
    numbers = [float(number) for number in re.findall(r"[\d.]+", colour)]
    if colour.startswith("oklch"):
        return numbers[0] < 0.5
    return sum(numbers[:3]) / 3 < 128


def choose_theme(chat: Chat, name: str) -> None:
    chat.page.get_by_role("button", name="Theme").click()
    chat.menu.get_by_role("menuitemradio", name=name).click()
    expect(chat.menu).to_have_count(0)


def test_the_theme_follows_the_system_until_one_is_chosen(
    new_chat: NewChat, server: Server
) -> None:
    chat = new_chat(server.url, color_scheme="dark").open()
    expect(chat.composer).to_be_visible()
    assert is_dark(chat.page)
    chat.page.emulate_media(color_scheme="light")
    expect(chat.page.locator("html.dark")).to_have_count(0)
    assert not is_dark(chat.page)
    choose_theme(chat, "Dark")
    assert is_dark(chat.page)
    chat.page.reload()
    expect(chat.composer).to_be_visible()
    assert is_dark(chat.page)
    choose_theme(chat, "As the system")
    assert not is_dark(chat.page)


def test_the_language_is_the_browsers_until_one_is_chosen(
    new_chat: NewChat, server: Server
) -> None:
    chat = new_chat(server.url, locale="zh-CN").open()
    page = chat.page
    expect(page.locator("html")).to_have_attribute("lang", "zh-CN")
    expect(page.get_by_role("button", name="发送")).to_be_visible()
    page.get_by_role("button", name="语言").click()
    chat.menu.get_by_role("menuitemradio", name="English").click()
    expect(page.locator("html")).to_have_attribute("lang", "en")
    expect(chat.composer).to_be_visible()
    page.reload()
    expect(chat.composer).to_be_visible()
    page.get_by_role("button", name="Language").click()
    chat.menu.get_by_role("menuitemradio", name="简体中文").click()
    page.get_by_role("textbox", name="消息").fill("你好")
    page.get_by_role("textbox", name="消息").press("Enter")
    expect(chat.answers.last).to_have_text("你好")


@pytest.fixture
def phone(new_chat: NewChat, server: Server) -> Iterator[Chat]:
    """Nothing in any test makes its page wider than the screen."""
    chat = new_chat(server.url, viewport=PHONE, has_touch=True, is_mobile=True).open()
    yield chat
    assert chat.page.evaluate("document.documentElement.scrollWidth") <= PHONE["width"]


def test_a_phone_shows_a_wide_answer_without_scrolling_sideways(
    phone: Chat, server: Server
) -> None:
    phone.open_chat(server.ask(WIDE_ANSWER))
    expect(phone.answers.last.locator("table")).to_be_visible()
    expect(phone.answers.last.locator("pre")).to_be_visible()
    assert phone.log.evaluate("log => log.scrollWidth - log.clientWidth") <= 0


def test_a_phone_keeps_the_list_in_a_sheet(phone: Chat, server: Server) -> None:
    phone.ask("asked on the way")
    sheet = phone.page.get_by_role("dialog", name="Chats")
    show = phone.page.get_by_role("button", name="Show the sidebar")
    expect(sheet).to_have_count(0)
    show.tap()
    expect(phone.row("asked on the way")).to_be_visible()
    sheet.get_by_role("button", name="Hide the sidebar").tap()
    expect(sheet).to_have_count(0)
    show.tap()
    expect(sheet).to_be_visible()
    phone.page.touchscreen.tap(PHONE["width"] - 10, 400)
    expect(sheet).to_have_count(0)
    show.tap()
    sheet.get_by_role("link", name="New chat", exact=True).tap()
    expect(sheet).to_have_count(0)
    expect(phone.page.get_by_role("heading", name="What would you like to know?")).to_be_visible()


def test_a_phone_shows_the_operators_page_as_cards(phone: Chat) -> None:
    phone.open("/fleet")
    card = phone.page.get_by_role("article").filter(has_text="slow")
    expect(card.get_by_text("Ready")).to_be_visible()


def test_scrolling_up_in_mid_answer_is_respected(new_chat: NewChat, server: Server) -> None:
    chat = new_chat(server.url, viewport={"width": 900, "height": 500}).open().choose("slow")
    lines = 250
    chat.send("\n\n".join(f"line {n}" for n in range(lines)))
    chat.wait_words(60)
    gap = "log => log.scrollHeight - log.scrollTop - log.clientHeight"
    assert chat.log.evaluate(gap) <= 40

    chat.log.hover()
    chat.page.mouse.wheel(0, -300)
    jump = chat.page.get_by_role("button", name="New text below")
    expect(jump).to_be_visible()
    before = chat.log.evaluate("log => log.scrollTop")
    count = chat.answers.last.locator("p").count()
    chat.pause(20 * SLOW_S)
    assert chat.answers.last.locator("p").count() > count
    assert abs(chat.log.evaluate("log => log.scrollTop") - before) <= 1

    jump.click()
    expect(jump).to_have_count(0)
    chat.pause(20 * SLOW_S)
    assert chat.turns.locator("[aria-busy=true]").count() == 1
    assert chat.log.evaluate(gap) <= 40
    chat.stop.click()
    chat.wait_done()
