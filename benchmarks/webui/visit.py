"""What a first visit of the start page weighs."""

from __future__ import annotations

import asyncio
import gzip
from collections.abc import Mapping
from dataclasses import dataclass

from playwright.async_api import Browser, Response

from benchmarks.webui.page import fresh_page

QUIET_S = 3.0
"""After the page is usable, for what it fetches ahead."""
_PACKED_ALREADY = (".woff2", ".woff", ".png", ".ico")


@dataclass(frozen=True, slots=True)
class Visit:
    bytes_by_path: Mapping[str, int]
    """Compressed by gzip, level 9, whatever the server did; data of the API is not among them."""
    usable_ms: float
    """From navigation to the message field."""

    @property
    def bytes(self) -> int:
        return sum(self.bytes_by_path.values())


async def measure_visit(opened: Browser, address: str) -> Visit:
    responses: list[Response] = []

    def note(response: Response) -> None:  # Playwright takes no method of a built-in type
        responses.append(response)

    async with fresh_page(opened, address) as page:
        page.on("response", note)
        await page.goto("/")
        await page.get_by_role("textbox", name="Message").wait_for()
        usable_ms = float(await page.evaluate("performance.now()"))
        await asyncio.sleep(QUIET_S)
        weights = {}
        for response in list(responses):
            path = response.url.removeprefix(address)
            if path.startswith("/") and not path.startswith("/api/") and response.ok:
                weights[path] = _weight(path, await response.body())
    return Visit(weights, usable_ms)


def _weight(path: str, body: bytes) -> int:
    return len(body) if path.endswith(_PACKED_ALREADY) else len(gzip.compress(body, 9))
