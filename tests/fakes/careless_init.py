"""A first process that collects nobody but the one child that it starts, and ends with it.

    python -m tests.fakes.careless_init PROGRAM ARGUMENT...

In many containers PID 1 is such a process. What is orphaned below it becomes its child.
"""

from __future__ import annotations

import ctypes
import os
import signal
import subprocess
import sys

_PR_SET_CHILD_SUBREAPER = 36


def main() -> None:
    ctypes.CDLL(None).prctl(_PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0)
    child = subprocess.Popen(sys.argv[1:])
    signal.signal(signal.SIGTERM, lambda *_: child.terminate())
    _, status = os.waitpid(child.pid, 0)
    sys.stdin.read()  # whoever watches may count what we were left
    os._exit(os.waitstatus_to_exitcode(status) & 0xFF)


if __name__ == "__main__":
    main()
