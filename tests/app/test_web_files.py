from __future__ import annotations

import gzip
from collections.abc import AsyncIterator
from pathlib import Path

import httpx
import pytest

from server.app.headers import HEADERS
from server.app.web_files import read_folder
from tests.app.conftest import App, app_server

SCRIPT = b"const a = 1\n" * 200


@pytest.fixture
def built(tmp_path: Path) -> Path:
    folder = tmp_path / "web"
    (folder / "assets").mkdir(parents=True)
    (folder / "index.html").write_text("<!doctype html><p>Shortline")
    (folder / "boot.js").write_text("boot()")
    (folder / ".sources").write_text("stamp")
    (folder / "assets/index-5f3c.js").write_bytes(SCRIPT)
    (folder / "assets/index-5f3c.js.gz").write_bytes(gzip.compress(SCRIPT))
    (tmp_path / "secret.txt").write_text("secret")
    (folder / "link.txt").symlink_to(tmp_path / "secret.txt")
    return folder


@pytest.fixture
async def served(tmp_path: Path, built: Path) -> AsyncIterator[App]:
    async with app_server(tmp_path, web=built) as app:
        yield app


async def test_a_page_of_the_ui_is_its_first_file_and_is_asked_for_again(served: App) -> None:
    for path in ("/", "/chat/0123", "/fleet"):
        page = await served.client.get(path)
        assert (page.status_code, page.text) == (200, "<!doctype html><p>Shortline")
        assert page.headers["content-type"] == "text/html; charset=utf-8"
        assert page.headers["cache-control"] == "no-cache"


async def test_what_has_not_changed_is_not_sent_again(served: App) -> None:
    first = await served.client.get("/")
    again = await served.client.get("/", headers={"if-none-match": first.headers["etag"]})
    assert (again.status_code, again.content) == (304, b"")


async def test_assets_are_kept_for_a_year_and_come_compressed(served: App) -> None:
    path = "/assets/index-5f3c.js"
    packed = await served.client.get(path, headers={"accept-encoding": "br, gzip"})
    assert packed.content == SCRIPT
    assert packed.headers["content-encoding"] == "gzip"
    assert packed.headers["cache-control"] == "public, max-age=31536000, immutable"
    assert packed.headers["vary"] == "accept-encoding"
    plain = await served.client.get(path, headers={"accept-encoding": "identity"})
    assert plain.content == SCRIPT
    assert "content-encoding" not in plain.headers


async def test_only_files_of_the_folder_are_served(served: App) -> None:
    paths = (
        "/nothing.js",
        "/link.txt",
        "/.sources",
        "/assets/%2e%2e/%2e%2e/secret.txt",
        "/..%2fsecret.txt",
        "/assets/index-5f3c.js/../../secret.txt.js",
        "/etc/passwd.txt",
        "/%00.js",
    )
    for path in paths:
        answer = await served.client.get(served.url + path)
        assert answer.status_code == 404, path
        assert answer.json()["error"]["code"] == "not_found"


async def test_other_methods_are_refused_and_a_head_has_no_body(served: App) -> None:
    assert (await served.client.post("/")).status_code == 405
    head = await served.client.head("/")
    assert (head.status_code, head.content) == (200, b"")
    assert head.headers["content-length"] == "27"


async def test_a_request_for_ten_thousand_ranges_gets_the_file(served: App) -> None:
    ranges = "bytes=" + ",".join(f"{at}-{at + 1}" for at in range(2_000))
    answer = await served.client.get("/boot.js", headers={"range": ranges})
    assert (answer.status_code, answer.text) == (200, "boot()")


async def test_every_answer_carries_the_same_rules(served: App) -> None:
    calls = ("/", "/assets/index-5f3c.js", "/api/models", "/api/nothing", "/x.js", "/livez")
    answers = [await served.client.get(path) for path in calls]
    answers.append(await served.client.get("/", headers={"host": "evil.example"}))
    answers.append(await served.client.post("/api/chat", json={"query": "Hi"}))
    for answer in answers:
        for name, value in HEADERS:
            assert answer.headers.get_list(name.decode()) == [value.decode()]
    policy = answers[0].headers["content-security-policy"]
    assert "default-src 'none'" in policy
    assert "script-src 'self';" in policy
    assert "img-src 'self' data: blob:;" in policy
    assert "frame-ancestors 'none'" in policy


async def test_a_ui_that_was_not_built_says_how_to_build_it(tmp_path: Path) -> None:
    empty = tmp_path / "empty"
    empty.mkdir()
    async with app_server(tmp_path, web=empty) as app:
        page = await app.client.get("/chat/1")
        assert page.status_code == 503
        assert page.headers["content-type"] == "text/html; charset=utf-8"
        assert "Node 20.19" in page.text
        assert (await app.client.get("/api/models")).status_code == 200


async def test_without_the_ui_there_are_no_pages(tmp_path: Path) -> None:
    async with app_server(tmp_path) as app:
        answer: httpx.Response = await app.client.get("/")
        assert answer.status_code == 404
        assert "without the web UI" in answer.json()["error"]["message"]


def test_a_file_changed_after_it_was_compressed_is_served_as_it_is(built: Path) -> None:
    (built / "assets/index-5f3c.js").write_bytes(b"changed")
    assert read_folder(built)["/assets/index-5f3c.js"].packed is None
