"""A child of the launcher made of the standard library only.

The variable FAKE_CHILD says how each behaves: a JSON object from the child's name to one of
`ready` (as others do), `fail`, `exit`, `hang`, `mute` (never ready, deaf to SIGTERM), `deaf`
(ready, deaf to SIGTERM) and `alone` (ready, waits for a provider until SIGUSR1). FAKE_STORY names
a file to which each appends what happens to it.
"""

from __future__ import annotations

import json
import os
import signal
import sys
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

LOOK_S = 0.05


class Handler(BaseHTTPRequestHandler):
    """Answers every POST as a controller would, and tells it to the story; is always ready.

    What is sent to /wish goes on to the launcher, as the app server passes on what people want.
    """

    def do_GET(self) -> None:
        self.send_response(200)
        self.send_header("content-length", "0")
        self.end_headers()

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers["content-length"]))
        if self.path == "/wish":
            sys.stdout.write(body.decode() + "\n")
            sys.stdout.flush()
        tell(self.path, json.loads(body), secret=self.headers.get("x-shortline-secret"))
        answer = b'{"known": true, "beat_s": 2}'
        self.send_response(200)
        self.send_header("content-length", str(len(answer)))
        self.end_headers()
        self.wfile.write(answer)

    def log_message(self, format: str, *args: Any) -> None:
        return


class Server(ThreadingHTTPServer):
    allow_reuse_address = True


def tell(what: str, about: Any = None, **more: Any) -> None:
    if story := os.environ.get("FAKE_STORY"):
        line = json.dumps({"what": what, "about": about, **more})
        with Path(story).open("a", encoding="utf-8") as file:
            file.write(line + "\n")


def leave(name: str) -> None:
    tell("end", name)
    os._exit(0)


def report(state: str, **more: str) -> None:
    sys.stdout.write(json.dumps({"state": state, **more}) + "\n")
    sys.stdout.flush()


def serve(settings: dict[str, Any]) -> None:
    server = Server((settings["host"], settings["port"]), Handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    report("ready", address=f"http://{settings['host']}:{server.server_address[1]}")


def main() -> None:
    settings = json.loads(sys.stdin.readline())
    name = settings["name"]
    behaviour = json.loads(os.environ.get("FAKE_CHILD", "{}")).get(name, "ready")
    tell("start", name, settings=settings, environ=dict(os.environ), cwd=str(Path.cwd()))
    if behaviour in ("deaf", "mute"):
        signal.signal(signal.SIGTERM, signal.SIG_IGN)
    else:
        signal.signal(signal.SIGTERM, lambda *_: leave(name))
    report("loading", detail="a fake")
    if behaviour == "alone":
        signal.signal(signal.SIGUSR1, lambda *_: report("waiting"))
        report("waiting", detail="acme at http://a.example: refused")
    if behaviour == "fail":
        sys.stderr.write("the weights are not there\n")
        report("failed", detail="no weights")
        sys.exit(1)
    if behaviour == "exit":
        sys.exit(3)
    if behaviour in ("ready", "deaf", "alone"):
        try:
            serve(settings)
        except OSError as error:
            report("failed", detail=f"cannot listen: {error.strerror}")
            sys.exit(1)
    reading = threading.Thread(target=sys.stdin.read, daemon=True)  # until the launcher ends
    reading.start()
    while reading.is_alive():  # a signal that comes just before a read would wait for its end
        reading.join(LOOK_S)
    os._exit(3)


if __name__ == "__main__":
    main()
