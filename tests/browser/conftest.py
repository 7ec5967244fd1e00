"""One browser and one running product for the whole folder, a fresh profile for each test."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from typing import Any

import pytest
from playwright.sync_api import Browser, expect, sync_playwright

from server.app.web_files import FOLDER
from tests.browser.chat import Chat
from tests.browser.server import ECHO, LOST, MINI, SLOW, Server, served
from tests.browser.watch import Watch
from tests.fakes.chaos_proxy import ChaosProxy, chaos_proxy

LIMIT_MS = 15_000
FLAGS = [
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
]

WINDOW: dict[str, Any] = {"locale": "en-US", "viewport": {"width": 1280, "height": 800}}

NewChat = Callable[..., Chat]


# Not for the session: while Playwright's own event loop runs in this thread, async tests cannot.
@pytest.fixture(scope="package")
def chromium() -> Iterator[Browser]:
    program = shutil.which("chromium") or shutil.which("google-chrome")
    if program is None:
        pytest.skip("there is neither chromium nor google-chrome on the PATH")
    expect.set_options(timeout=LIMIT_MS)
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=program, args=FLAGS)
        yield browser
        browser.close()


@pytest.fixture(scope="package")
def built() -> None:
    """The pages themselves."""
    if not (FOLDER / "index.html").is_file():
        pytest.fail("the web UI is not built: `pip install -e .` builds it", pytrace=False)


@pytest.fixture(scope="package")
def server(built: None, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    home = tmp_path_factory.mktemp("browser") / "home"
    with served(home, [ECHO, SLOW, LOST, MINI], SHORTLINE_CHAT__RECOVER_S="2") as running:
        yield running


@pytest.fixture
def watch() -> Iterator[Watch]:
    """Fails the test for whatever no page may do."""
    watch = Watch()
    yield watch
    assert watch.noted == []


@pytest.fixture
def new_chat(chromium: Browser, watch: Watch) -> Iterator[NewChat]:
    """Opens a window of a browser that was never here before; options are Playwright's."""
    with ExitStack() as stack:

        def open_window(url: str, **options: Any) -> Chat:
            settings: dict[str, Any] = {
                "locale": "en-US",
                "viewport": {"width": 1280, "height": 800},
            }
            context = chromium.new_context(**(settings | options))
            stack.callback(context.close)
            context.set_default_timeout(LIMIT_MS)
            watch.origins.add(url)
            watch.over(context)
            return Chat(context.new_page(), url)

        yield open_window


@pytest.fixture
def chat(new_chat: NewChat, server: Server) -> Chat:
    return new_chat(server.url).open()


@pytest.fixture
def proxy(server: Server) -> Iterator[ChaosProxy]:
    with chaos_proxy("127.0.0.1", server.port) as proxy:
        yield proxy
