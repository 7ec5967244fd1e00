"""The built web UI: every file of it, read once at the start and served from memory.

Only what lay in the folder then is ever served, so no path leads anywhere else.
"""

from __future__ import annotations

import gzip
import hashlib
import logging
from dataclasses import dataclass
from html import escape
from pathlib import Path
from typing import Final

from server.core.errors import MethodNotAllowed, NotFound
from server.web.asgi import ASGIApp, Header, Receive, Scope, Send, header, send_whole

log = logging.getLogger(__name__)

FOLDER: Final = Path(__file__).parent / "web"
START_PAGE: Final = "/index.html"
_TYPES: Final = {
    ".html": "text/html; charset=utf-8",
    ".js": "text/javascript; charset=utf-8",
    ".mjs": "text/javascript; charset=utf-8",
    ".css": "text/css; charset=utf-8",
    ".json": "application/json",
    ".webmanifest": "application/manifest+json",
    ".svg": "image/svg+xml",
    ".png": "image/png",
    ".ico": "image/vnd.microsoft.icon",
    ".woff2": "font/woff2",
    ".woff": "font/woff",
    ".ttf": "font/ttf",
    ".txt": "text/plain; charset=utf-8",
}
_FOREVER: Final = (b"cache-control", b"public, max-age=31536000, immutable")
_ASK_AGAIN: Final = (b"cache-control", b"no-cache")
_NOT_BUILT: Final = (
    "The web UI is not part of this installation. It is built with Node 20.19 or newer: "
    "put node and npm on the PATH and install Shortline again (SHORTLINE_WEB=require makes "
    "a failure loud), or run 'npm ci' and 'npm run build -- --outDir ../server/app/web' "
    "in the folder webui. The API at /api works without it."
)


@dataclass(frozen=True, slots=True)
class File:
    content: bytes
    packed: bytes | None
    """The same, compressed by gzip, where that helps."""
    media_type: str
    tag: bytes
    immutable: bool
    """Its name changes with its content."""


def read_folder(folder: Path) -> dict[str, File]:
    """From path to file; empty when the UI has not been built."""
    files = {}
    for path in sorted(folder.rglob("*")) if (folder / "index.html").is_file() else ():
        name = path.relative_to(folder).as_posix()
        if path.suffix in _TYPES and path.is_file() and not path.is_symlink():
            files[f"/{name}"] = _read(path, immutable=name.startswith("assets/"))
    return files


class WebFiles:
    def __init__(self, files: dict[str, File]) -> None:
        self._files = files

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        file = self._find(scope["path"])
        if file is None:
            raise NotFound("There is nothing at this path.")
        if scope["method"] not in ("GET", "HEAD"):
            raise MethodNotAllowed("GET", "HEAD")
        headers: list[Header] = [
            (b"etag", file.tag),
            _FOREVER if file.immutable else _ASK_AGAIN,
            (b"vary", b"accept-encoding"),
        ]
        if file.tag in (header(scope, b"if-none-match") or b""):
            await _send_unchanged(send, headers)
            return
        content = file.content
        if file.packed is not None and _takes_gzip(scope):
            content = file.packed
            headers.append((b"content-encoding", b"gzip"))
        headers.append((b"content-type", file.media_type.encode()))
        await send_whole(send, 200, headers, content, head_only=scope["method"] == "HEAD")

    def _find(self, path: str) -> File | None:
        """A path without a dot is one of the UI's own pages, which all begin with the same file."""
        file = self._files.get(path)
        if file is None and "." not in path.rpartition("/")[2]:
            file = self._files[START_PAGE]
        return file


def web_files(folder: Path = FOLDER) -> ASGIApp:
    """Serves the UI in `folder`, or says on every path that it is not there."""
    files = read_folder(folder)
    if files:
        return WebFiles(files)
    log.warning("the web UI was not built", extra={"what_to_do": _NOT_BUILT})
    return _say_not_built


async def no_web_files(scope: Scope, receive: Receive, send: Send) -> None:
    raise NotFound("There is nothing at this path: this server was started without the web UI.")


async def _say_not_built(scope: Scope, receive: Receive, send: Send) -> None:
    if "." in scope["path"]:
        raise NotFound("There is nothing at this path.")
    page = (
        '<!doctype html><html lang="en"><meta charset="utf-8"><title>Shortline</title>'
        f"<h1>The web UI was not built</h1><p>{escape(_NOT_BUILT)}</p></html>"
    )
    headers = [(b"content-type", b"text/html; charset=utf-8"), (b"cache-control", b"no-store")]
    await send_whole(send, 503, headers, page.encode(), head_only=scope["method"] == "HEAD")


async def _send_unchanged(send: Send, headers: list[Header]) -> None:
    await send({"type": "http.response.start", "status": 304, "headers": headers})
    await send({"type": "http.response.body", "body": b""})


def _takes_gzip(scope: Scope) -> bool:
    words = (header(scope, b"accept-encoding") or b"").replace(b" ", b"").split(b",")
    return b"gzip" in words


def _read(path: Path, *, immutable: bool) -> File:
    content = path.read_bytes()
    packed = path.with_name(f"{path.name}.gz")
    tag = hashlib.sha256(content).hexdigest()[:20]
    return File(
        content,
        _matching(packed.read_bytes(), content) if packed.is_file() else None,
        _TYPES[path.suffix],
        f'"{tag}"'.encode(),
        immutable,
    )


def _matching(packed: bytes, content: bytes) -> bytes | None:
    """A file that was changed by hand after it was compressed is served as it is now."""
    try:
        return packed if gzip.decompress(packed) == content else None
    except (OSError, EOFError):
        return None
