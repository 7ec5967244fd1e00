"""A page in a fresh browser profile, with a probe in it that hears of everything slow."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass

import orjson
from playwright.async_api import Browser, Page, async_playwright

from benchmarks.webui.trace import CATEGORIES, longest_cpu_ms

CHROMIUM = "/usr/bin/chromium"
LIMIT_MS = 60_000
VIEW = {"width": 1280, "height": 800}

_PROBE = """
window.probe = { tasks: [], gaps: [], last: 0 }
new PerformanceObserver((list) => {
  for (const entry of list.getEntries()) probe.tasks.push([entry.startTime, entry.duration])
}).observe({ type: 'longtask', buffered: true })
const frame = (now) => {
  if (probe.last) probe.gaps.push([probe.last, now - probe.last])
  probe.last = now
  requestAnimationFrame(frame)
}
requestAnimationFrame(frame)
"""
_READ = """(since) => {
  const from = (list) => list.filter(([start]) => start >= since).map(([, duration]) => duration)
  return { tasks: from(probe.tasks), gaps: from(probe.gaps) }
}"""


class NotShown(Exception):
    """The page does not show what it should."""


@dataclass(frozen=True, slots=True)
class Slow:
    """What a reader would feel, in milliseconds."""

    longest_task_ms: float
    """The main thread did one thing only, by the clock; 0: nothing took 50 ms."""
    longest_cpu_ms: float
    """The same in its processor time, which does not grow with what else the machine does."""
    longest_gap_ms: float
    """Between two frames."""
    gap_p95_ms: float
    frames: int


@asynccontextmanager
async def browser() -> AsyncIterator[Browser]:
    async with async_playwright() as playwright:
        opened = await playwright.chromium.launch(
            executable_path=CHROMIUM, args=["--no-sandbox", "--disable-dev-shm-usage"]
        )
        try:
            yield opened
        finally:
            await opened.close()


@asynccontextmanager
async def fresh_page(opened: Browser, address: str) -> AsyncIterator[Page]:
    """Without a cache, a history or cookies."""
    context = await opened.new_context(
        base_url=address,
        viewport=VIEW,  # type: ignore[arg-type]
        locale="en-US",
        reduced_motion="no-preference",
    )
    context.set_default_timeout(LIMIT_MS)
    await context.add_init_script(_PROBE)
    try:
        yield await context.new_page()
    finally:
        await context.close()


async def now_ms(page: Page) -> float:
    """Since the page's navigation began."""
    return float(await page.evaluate("performance.now()"))


@dataclass(slots=True)
class Watch:
    """Filled when the block of `watched` ends."""

    slow: Slow | None = None

    @property
    def found(self) -> Slow:
        assert self.slow is not None
        return self.slow


@asynccontextmanager
async def watched(opened: Browser, page: Page, since_ms: float) -> AsyncIterator[Watch]:
    """What is slow in the block, or already since `since_ms` after the page's navigation."""
    watch = Watch()
    await opened.start_tracing(page=page, categories=CATEGORIES)
    try:
        yield watch
        found = await page.evaluate(_READ, since_ms)
    finally:
        trace = orjson.loads(await opened.stop_tracing())["traceEvents"]
    gaps = sorted(found["gaps"])
    watch.slow = Slow(
        longest_task_ms=max(found["tasks"], default=0.0),
        longest_cpu_ms=longest_cpu_ms(trace),
        longest_gap_ms=max(gaps, default=0.0),
        gap_p95_ms=gaps[int(0.95 * (len(gaps) - 1))] if gaps else 0.0,
        frames=len(gaps),
    )
