"""A worker that starts as fast as Python can, and leaves a process of its own behind.

It says that it is ready and does nothing. SIGTERM ends it, and its helper stays.
"""

from __future__ import annotations

import os
import signal
import sys

READY = '{"state": "ready", "address": "http://127.0.0.1:1"}\n'


def main() -> None:
    sys.stdin.readline()
    if os.fork() == 0:
        os.closerange(0, 3)
        signal.pause()
    signal.signal(signal.SIGTERM, lambda *_: os._exit(0))
    os.write(1, READY.encode())
    while os.read(0, 4096):
        pass
    os._exit(3)


if __name__ == "__main__":
    main()
