"""What no page of ours may do, noted while a test runs."""

from __future__ import annotations

import re
from urllib.parse import urlsplit

from playwright.sync_api import BrowserContext, ConsoleMessage, Dialog, Request, WebError

LOCAL_SCHEMES = {"data", "blob"}
NETWORK_FAILED = r"net::ERR_"
"""How the browser itself reports a connection that was cut."""
REFUSED = r"Failed to load resource: the server responded with a status of (4|5)\d\d"


class Watch:
    def __init__(self) -> None:
        self.origins: set[str] = set()
        """Pages may ask these and no others."""
        self._noted: list[str] = []
        self._expected: list[str] = []

    def expect(self, pattern: str) -> None:
        """Console errors with this in them belong to what the test does."""
        self._expected.append(pattern)

    def over(self, context: BrowserContext) -> None:
        context.on("console", self._console)
        context.on("weberror", self._error)
        context.on("dialog", self._dialog)
        context.on("request", self._request)

    @property
    def noted(self) -> list[str]:
        """Without what was expected."""
        return [
            note
            for note in self._noted
            if not any(re.search(pattern, note) for pattern in self._expected)
        ]

    def _console(self, message: ConsoleMessage) -> None:
        if message.type in ("error", "warning", "assert"):
            where = message.location.get("url", "")
            self._noted.append(f"console {message.type}: {message.text} ({where})")

    def _error(self, error: WebError) -> None:
        self._noted.append(f"uncaught: {error.error}")

    def _dialog(self, dialog: Dialog) -> None:
        self._noted.append(f"dialog: {dialog.message}")
        dialog.dismiss()

    def _request(self, request: Request) -> None:
        parts = urlsplit(request.url)
        origin = f"{parts.scheme}://{parts.netloc}"
        if parts.scheme not in LOCAL_SCHEMES and origin not in self.origins:
            self._noted.append(f"request to another host: {request.url}")
