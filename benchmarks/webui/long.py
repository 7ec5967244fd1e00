"""A long conversation of heavy messages, opened by its address and then read to its beginning."""

from __future__ import annotations

from dataclasses import dataclass

import httpx
from playwright.async_api import Browser, Page

from benchmarks.webui.page import NotShown, Slow, fresh_page, now_ms, watched
from benchmarks.webui.scripted import MODEL, Script
from benchmarks.webui.text import ending, rich

_LIMIT_S = 60.0
_LAST_SHOWN = """(ending) => {
  const last = [...document.querySelectorAll('article')].at(-1)
  if (!last || !last.querySelector('table') || !last.innerText.includes(ending)) return 0
  const walk = document.createTreeWalker(last, NodeFilter.SHOW_TEXT)
  while (walk.nextNode()) {
    if (!walk.currentNode.textContent.includes(ending)) continue
    const box = walk.currentNode.parentElement.getBoundingClientRect()
    return box.height > 0 && box.top >= 0 && box.bottom <= innerHeight && performance.now()
  }
  return 0
}"""
_READ_UP = """async ([messages, limit]) => {
  const box = document.querySelector('[role=log]')
  const begun = performance.now()
  const frame = () => new Promise((go) => requestAnimationFrame(go))
  const shown = () => document.querySelectorAll('article').length
  const inTime = () => performance.now() - begun < limit
  while (shown() < messages && inTime()) {
    const before = shown()
    box.scrollTop = 0
    while (shown() === before && inTime()) await frame()
    await frame()
    await frame()
  }
  return [shown(), performance.now() - begun]
}"""
"""Page by page; two frames, so that the page sees the reader leave the top and come again."""


@dataclass(frozen=True, slots=True)
class Opened:
    messages: int
    chars: int
    """Of one answer."""
    shown_ms: float
    """From navigation to the end of the last message being in view, drawn."""
    slow: Slow
    """Until then, and as long again."""
    to_the_top_ms: float
    """Until the oldest is there, scrolling up as fast as the page allows."""
    slow_to_the_top: Slow


async def make_long(address: str, messages: int, chars: int) -> str:
    """A conversation of so many questions with answers; its id."""
    turns = []
    for number in range(messages - 1):
        turns += [
            {"role": "user", "content": f"Question {number}?"},
            {"role": "assistant", "content": rich(chars, first=number) + ending(number)},
        ]
    query = Script(chars=chars, piece=10_000, number=messages - 1).model_dump_json()
    body = {"query": query, "history": turns, "model": MODEL, "stream": False}
    async with httpx.AsyncClient(base_url=address, trust_env=False, timeout=_LIMIT_S) as http:
        made = (await http.post("/api/chat", json=body)).raise_for_status().json()
    return str(made["conversation_id"])


async def measure_long(opened: Browser, address: str, id: str, messages: int, chars: int) -> Opened:
    """Raises `NotShown`."""
    async with fresh_page(opened, address) as page:
        async with watched(opened, page, 0.0) as opening:
            await page.goto(f"/c/{id}", wait_until="commit")
            shown_ms = await _shown_ms(page, messages)
            await page.wait_for_timeout(shown_ms)
        async with watched(opened, page, await now_ms(page)) as reading:
            count, lasted_ms = await page.evaluate(_READ_UP, [messages, _LIMIT_S * 1000])
    if count != messages:
        raise NotShown(f"the page shows {count} of {messages} messages")
    return Opened(messages, chars, shown_ms, opening.found, lasted_ms, reading.found)


async def _shown_ms(page: Page, messages: int) -> float:
    shown = await page.wait_for_function(_LAST_SHOWN, arg=ending(messages - 1), polling="raf")
    return float(await shown.json_value())
