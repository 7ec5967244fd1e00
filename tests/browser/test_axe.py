"""What a checker of accessibility can find; it finds nothing."""

from __future__ import annotations

from pathlib import Path

import pytest
from playwright.sync_api import expect

from tests.browser.chat import Chat
from tests.browser.conftest import NewChat
from tests.browser.server import Server

pytestmark = [pytest.mark.browser, pytest.mark.slow]

AXE = Path(__file__).parents[2] / "webui/node_modules/axe-core/axe.min.js"
RUN = """
async () => {
    const { violations } = await axe.run()
    return violations.flatMap(({ id, nodes }) =>
        nodes.map(({ html, failureSummary }) => `${id}: ${html}\\n${failureSummary}`))
}
"""
ANSWER = """\
# A heading

Some *text* with `code` and [a link](https://example.org/).

- a list
- [x] with a task

| a | table |
|---|-------|
| 1 | 2     |

> [!NOTE]
> A note.

```python
def f(x):  # a comment
    return "text", 1
```

$$x^2$$
"""


def check(chat: Chat, state: str) -> None:
    chat.page.evaluate(AXE.read_text("utf-8"))
    found = chat.page.evaluate(RUN)
    assert found == [], f"{state}:\n" + "\n\n".join(found)


@pytest.mark.parametrize("theme", ["light", "dark"])
def test_nothing_keeps_people_out(new_chat: NewChat, server: Server, theme: str) -> None:
    if not AXE.is_file():
        pytest.skip("axe-core is not installed: `npm ci` in the folder webui")
    chat = new_chat(server.url, color_scheme=theme, reduced_motion="reduce").open()
    expect(chat.page.locator("nav li, nav p").first).to_be_visible()
    check(chat, "empty chat")

    chat.open_chat(server.ask(ANSWER))
    expect(chat.answers.last.locator("table")).to_be_visible()
    chat.turns.last.hover()
    check(chat, "chat with messages")

    chat.page.keyboard.press("Control+.")
    expect(chat.page.get_by_role("dialog", name="Settings")).to_be_visible()
    check(chat, "settings")
    chat.page.keyboard.press("Escape")

    chat.page.keyboard.press("Control+K")
    expect(chat.page.get_by_role("option").first).to_be_visible()
    check(chat, "palette")
    chat.page.keyboard.press("Escape")

    chat.page.keyboard.press("Control+/")
    expect(chat.page.get_by_role("dialog", name="Keyboard shortcuts")).to_be_visible()
    check(chat, "help")

    chat.open("/fleet")
    expect(chat.page.get_by_role("heading", name="Workers")).to_be_visible()
    check(chat, "operators, cards")
    chat.page.set_viewport_size({"width": 1500, "height": 900})
    expect(chat.page.get_by_role("table", name="Workers")).to_be_visible()
    check(chat, "operators, table")
