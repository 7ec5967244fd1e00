"""What vLLM's own processes do for us. They import this file, and nothing else of ours."""

from __future__ import annotations

import os
import select
import signal
import threading
from contextlib import suppress


class Bound:
    """Mixed into vLLM's worker, the process that has the model (`worker_extension_cls`)."""

    def end_with(self, pid: int) -> None:
        """End when process `pid` does, killed or not, and the scheduler's process above as well:
        vLLM's own watch reaches from the one to the other, but not to us."""
        watched = os.pidfd_open(pid) if hasattr(os, "pidfd_open") else None
        if watched is None:  # macOS: it ends as vLLM ends it
            return
        above = os.getppid()  # us, where there is no scheduler's process

        def watch() -> None:
            select.select([watched], [], [])
            for process in (above, os.getpid()):
                with suppress(ProcessLookupError):
                    os.kill(process, signal.SIGKILL)

        threading.Thread(target=watch, name="parent-watch", daemon=True).start()
