"""A long rich answer while it is written."""

from __future__ import annotations

from dataclasses import dataclass

from playwright.async_api import Browser, Page

from benchmarks.webui.page import NotShown, Slow, fresh_page, now_ms, watched
from benchmarks.webui.scripted import Script
from benchmarks.webui.text import ending

COMPLETE = "The answer is complete."
"""Said to screen readers."""
SETTLE_MS = 200
"""For what is drawn once the text is whole."""


@dataclass(frozen=True, slots=True)
class Streamed:
    chars: int
    slow: Slow
    late_ms: float
    """From the time of the last piece in the script to the answer being complete on the page."""


async def measure_stream(opened: Browser, address: str, script: Script) -> Streamed:
    """In a new chat on a page that has drawn no answer yet, so that the renderer is fetched too.

    Raises `NotShown`.
    """
    async with fresh_page(opened, address) as page:
        await page.goto("/")
        field = page.get_by_role("textbox", name="Message")
        await field.fill(script.model_dump_json())
        began_ms = await now_ms(page)
        async with watched(opened, page, began_ms) as watch:
            began_ms = await now_ms(page)
            await field.press("Enter")
            await page.get_by_text(COMPLETE).wait_for(state="attached")
            lasted_ms = await now_ms(page) - began_ms
            await page.wait_for_timeout(SETTLE_MS)
        await _check(page, script)
    return Streamed(len(script.text()), watch.found, lasted_ms - script.lasts_s() * 1000)


async def _check(page: Page, script: Script) -> None:
    """Everything was drawn as what it is, in the right number."""
    text = script.text()
    wanted = {
        "pre": text.count("\n```") // 2,
        "table": text.count("| :--- |"),
        ".katex-display": text.count("$$\n") // 2,
    }
    answer = page.get_by_role("article").last
    found = {what: await answer.locator(what).count() for what in wanted}
    if found != wanted or ending(script.number) not in await answer.inner_text():
        raise NotShown(f"the page shows {found} and not {wanted}")
