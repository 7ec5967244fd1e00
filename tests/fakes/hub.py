"""The Hugging Face hub as far as its own library asks it for a model's files.

A model has one revision. Files come in pieces, so that there is something to be told of; `cut_at`
ends the connection in the middle of one, once.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from urllib.parse import unquote, urlsplit

import pytest

from tests.fakes.http_thread import Quiet, serving

SHA = "0123456789abcdef0123456789abcdef01234567"
PIECE = 64 * 1024


@dataclass(slots=True)
class Hub:
    repository: str
    files: Mapping[str, bytes]
    cut_at: int | None = None
    """Of the first longer file, so many bytes come, and then the connection is gone."""
    url: str = ""
    asked: list[tuple[str, str, str]] = field(default_factory=list)
    """Method, path and the `Range` that was wanted."""

    def fetched(self) -> list[str]:
        """The files whose bytes were asked for, in order."""
        before = f"/{self.repository}/resolve/{SHA}/"
        return [p.removeprefix(before) for m, p, _ in self.asked if m == "GET" and before in p]

    def document(self, path: str) -> object:
        """What its API says; None: it has no such thing."""
        if path in (
            f"/api/models/{self.repository}/revision/main",
            f"/api/models/{self.repository}",
        ):
            siblings = [{"rfilename": name} for name in self.files]
            return {"id": self.repository, "sha": SHA, "siblings": siblings}
        if path.startswith(f"/api/models/{self.repository}/tree/"):
            return [
                {"type": "file", "path": name, "size": len(raw), "oid": _id(raw)}
                for name, raw in self.files.items()
            ]
        return None

    def file(self, path: str) -> bytes | None:
        parts = path.split("/resolve/", 1)
        if len(parts) != 2 or parts[0] != f"/{self.repository}":
            return None
        return self.files.get(unquote(parts[1].partition("/")[2]))


def _id(raw: bytes) -> str:
    return hashlib.sha1(raw, usedforsecurity=False).hexdigest()


class _Handler(Quiet):
    protocol_version = "HTTP/1.1"
    hub: Hub

    def do_HEAD(self) -> None:
        self._answer(with_body=False)

    def do_GET(self) -> None:
        self._answer(with_body=True)

    def _answer(self, *, with_body: bool) -> None:
        path, hub = urlsplit(self.path).path, self.hub
        hub.asked.append((self.command, path, self.headers.get("range", "")))
        raw = hub.file(path)
        if raw is not None:
            self._file(raw, with_body=with_body)
            return
        document = hub.document(path)
        body = json.dumps(document if document is not None else {"error": "not found"}).encode()
        self._head(200 if document is not None else 404, len(body), "application/json")
        self.wfile.write(body if with_body else b"")

    def _file(self, raw: bytes, *, with_body: bool) -> None:
        wanted = self.headers.get("range", "")
        start = int(wanted.removeprefix("bytes=").rstrip("-")) if with_body and wanted else 0
        rest = raw[start:]
        more = {"etag": f'"{_id(raw)}"', "x-repo-commit": SHA, "accept-ranges": "bytes"}
        if start:
            more["content-range"] = f"bytes {start}-{len(raw) - 1}/{len(raw)}"
        kind = "application/octet-stream"
        self._head(206 if start else 200, len(rest if with_body else raw), kind, more)
        if not with_body:
            return
        cut = self.hub.cut_at
        if cut is not None and len(rest) > cut:
            rest, self.hub.cut_at, self.close_connection = rest[:cut], None, True
        for at in range(0, len(rest), PIECE):
            self.wfile.write(rest[at : at + PIECE])

    def _head(
        self, status: int, length: int, kind: str, more: Mapping[str, str] | None = None
    ) -> None:
        self.send_response(status)
        for name, value in {"content-type": kind, **(more or {})}.items():
            self.send_header(name, value)
        self.send_header("content-length", str(length))
        self.end_headers()


@contextmanager
def serving_hub(
    repository: str, files: Mapping[str, bytes], *, cut_at: int | None = None
) -> Iterator[Hub]:
    hub = Hub(repository, files, cut_at)
    handler = type("Handler", (_Handler,), {"hub": hub})
    with serving(handler) as hub.url:
        yield hub


def ask_this(hub: Hub, cache: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """The library reads its environment once, when it is imported."""
    monkeypatch.setattr("huggingface_hub.constants.ENDPOINT", hub.url)
    template = f"{hub.url}/{{repo_id}}/resolve/{{revision}}/{{filename}}"
    monkeypatch.setattr("huggingface_hub.constants.HUGGINGFACE_CO_URL_TEMPLATE", template)
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_CACHE", cache)
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", False)
    monkeypatch.setattr("huggingface_hub.constants.DOWNLOAD_CHUNK_SIZE", PIECE)
