"""The chat page as a person uses it: by what it says, not by how it is made."""

from __future__ import annotations

import re

from playwright.sync_api import Locator, Page, expect

MADE_ID = re.compile(r"/c/[0-9a-f]{32}$")


class Chat:
    def __init__(self, page: Page, url: str) -> None:
        self.page = page
        self.url = url
        self.composer = page.get_by_role("textbox", name="Message", exact=True)
        self.log = page.get_by_role("log")
        self.turns = self.log.locator("article")
        self.answers = self.log.locator("article .md")
        self.stop = page.get_by_role("button", name="Stop the answer")
        self.menu = page.get_by_role("menu")

    def open(self, path: str = "/") -> Chat:
        self.page.goto(self.url + path)
        return self

    def open_chat(self, id: str) -> Chat:
        return self.open(f"/c/{id}")

    @property
    def id(self) -> str:
        """Of the open conversation, which gets one with its first question."""
        expect(self.page).to_have_url(MADE_ID)
        return self.page.url.rpartition("/")[2]

    def choose(self, model: str) -> Chat:
        self.page.get_by_role("button", name=re.compile(r"^Model: ")).click()
        self.menu.get_by_role("menuitemradio", name=re.compile(rf"^{model}\b")).click()
        return self

    def send(self, text: str) -> Chat:
        self.composer.fill(text)
        self.composer.press("Enter")
        return self

    def ask(self, text: str) -> Chat:
        """Send, and wait for the end of the answer."""
        before = self.turns.count()
        self.send(text)
        expect(self.turns).to_have_count(before + 1)
        return self.wait_done()

    def wait_done(self, limit_s: float = 30) -> Chat:
        timeout = limit_s * 1000
        expect(self.turns.last.locator("[aria-busy=false]")).to_have_count(1, timeout=timeout)
        expect(self.turns.locator("[aria-busy=true]")).to_have_count(0, timeout=timeout)
        return self

    def wait_whole(self, answer: str) -> None:
        """Until the last answer is this text, without one character more."""
        expect(self.answers.last).to_have_text(answer, timeout=30_000)
        self.wait_done()
        assert self.text() == answer

    def wait_words(self, count: int) -> Chat:
        """Until the last answer has at least so many words."""
        self.page.wait_for_function(
            """count => {
                const answer = [...document.querySelectorAll('article .md')].at(-1)
                return answer && answer.textContent.trim().split(/\\s+/).length >= count
            }""",
            arg=count,
        )
        return self

    def text(self) -> str:
        """The last answer; paragraphs are not told apart from lines."""
        return (self.answers.last.text_content() or "").strip()

    def button(self, name: str) -> Locator:
        """One of the last turn's."""
        return self.turns.last.get_by_role("button", name=name, exact=True)

    def row(self, name: str) -> Locator:
        """A conversation in the sidebar."""
        return self.page.locator("nav li").filter(has_text=name)

    def row_menu(self, name: str, item: str) -> None:
        self.row(name).hover()
        self.row(name).get_by_role("button", name=f"More for {name}").click()
        self.menu.get_by_role("menuitem", name=item, exact=True).click()

    def pause(self, seconds: float) -> None:
        """Let time pass in the page."""
        self.page.wait_for_timeout(seconds * 1000)
