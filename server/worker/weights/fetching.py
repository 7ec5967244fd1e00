"""A model's files from the Hugging Face hub: what is here already, or else fetched, and how far."""

from __future__ import annotations

import threading
import time
from collections import deque
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, Final

from server.core.memory.sizes import of_total, speed
from server.wire.process import Report
from server.worker.engine import Say

TELL_S: Final = 0.5
"""The launcher hears of it no more often."""
RATE_S: Final = 5.0
"""The rate is that of the last seconds."""


def here(repository: str, patterns: Sequence[str]) -> Path | None:
    """Its folder, if all files that fit `patterns` are in it; nothing is asked of the hub."""
    from huggingface_hub import snapshot_download  # costs 0.3 s; a local folder has no use for it
    from huggingface_hub.errors import LocalEntryNotFoundError

    try:
        found = snapshot_download(repository, local_files_only=True, allow_patterns=[*patterns])
    except LocalEntryNotFoundError:
        return None
    return Path(found)


def fetch(repository: str, patterns: Sequence[str], what: str, say: Say) -> Path:
    """Its folder, once all files that fit `patterns` are in it; what was fetched by half goes on.

    `what`: is fetched, in words. Raises whatever huggingface_hub does.
    """
    from huggingface_hub import snapshot_download

    say(Report(state="loading", detail=f"downloading {what} from the hub"))
    wanted = [*patterns]
    files: Any = snapshot_download(repository, allow_patterns=wanted, dry_run=True)
    total = sum(file.file_size or 0 for file in files if file.will_download)
    telling = Telling(total, what, say)
    found = snapshot_download(repository, allow_patterns=wanted, tqdm_class=_bars_of(telling))
    return Path(found)


class Telling:
    """Called by the threads that fetch."""

    def __init__(
        self, total: int, what: str, say: Say, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._total = total
        self._what = what
        self._say = say
        self._clock = clock
        self._lock = threading.Lock()
        self._past = deque([(clock(), 0.0)])
        """When how many bytes were there."""
        self._told_at = -TELL_S

    def at(self, done: float) -> None:
        with self._lock:
            now = self._clock()
            if done < self._past[-1][1] or now - self._told_at < TELL_S or not self._total:
                return
            self._told_at = now
            self._past.append((now, done))
            while len(self._past) > 2 and now - self._past[1][0] >= RATE_S:
                self._past.popleft()
            self._say(Report(state="loading", detail=self._words(done), done=self._share(done)))

    def _share(self, done: float) -> float:
        return min(1.0, done / self._total)

    def _words(self, done: float) -> str:
        (begin, before), (now, _) = self._past[0], self._past[-1]
        rate = speed((done - before) / (now - begin)) if now > begin else ""
        amount = f"{of_total(done, self._total)} ({self._share(done):.0%})"
        return ", ".join(filter(None, (f"downloading {self._what}", amount, rate)))


def _bars_of(telling: Telling) -> Any:
    """In place of the library's progress bars, which draw to a terminal: the one way to be told."""
    from huggingface_hub.utils.tqdm import tqdm

    class Bar(tqdm):
        def __init__(self, *args: Any, **kwargs: Any) -> None:
            self._bytes = kwargs.get("unit") == "B"  # others count files
            super().__init__(*args, **{**kwargs, "disable": True})  # type: ignore[no-untyped-call]

        def update(self, n: float | None = 1) -> None:
            self.n += n or 0
            if self._bytes:
                telling.at(self.n)

    return Bar
