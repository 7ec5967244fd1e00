"""A gateway that tells of requests, and of nothing else."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from urllib.parse import unquote

from server.wire.sight import READING_HEADER, Explained
from tests.fakes.http_thread import Quiet, serving

PATH = "/shortline/requests/"


@dataclass(slots=True)
class TellingGateway:
    key: str
    known: dict[str, Explained] = field(default_factory=dict)
    says: tuple[int, bytes] | None = None
    """Instead of what it knows."""
    url: str = ""
    asked: list[str] = field(default_factory=list)

    def answer(self, path: str, key: str | None) -> tuple[int, bytes]:
        self.asked.append(path)
        if self.says is not None:
            return self.says
        if key != self.key:
            return 401, b'{"error": {"code": "bad_secret"}}'
        found = self.known.get(unquote(path.removeprefix(PATH))) if path.startswith(PATH) else None
        return (404, b"{}") if found is None else (200, found.model_dump_json().encode())


@contextmanager
def telling_gateway(key: str, *known: Explained) -> Iterator[TellingGateway]:
    fake = TellingGateway(key, {told.request_id: told for told in known})

    class Handler(Quiet):
        def do_GET(self) -> None:
            status, body = fake.answer(self.path, self.headers.get(READING_HEADER))
            self.send_response(status)
            self.send_header("content-length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

    with serving(Handler) as fake.url:
        yield fake
