"""A gateway that tells of requests, and of nothing else."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import unquote

from server.wire.sight import READING_HEADER, Explained

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

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            status, body = fake.answer(self.path, self.headers.get(READING_HEADER))
            self.send_response(status)
            self.send_header("content-length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, format: str, *args: object) -> None:
            return

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    fake.url = f"http://127.0.0.1:{server.server_address[1]}"
    try:
        yield fake
    finally:
        server.shutdown()
        thread.join()
        server.server_close()
