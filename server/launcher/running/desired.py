"""What operators want of the workers, kept in `data/desired.json`: it outlives every process.

Only the launcher that holds the home's lock writes it.
"""

from __future__ import annotations

import json
import logging
from pathlib import Path
from typing import Literal

from pydantic import TypeAdapter, ValidationError

from server.core.draft import write_whole

log = logging.getLogger(__name__)

Wish = Literal["serve", "drain", "stop"]
_WISHES: TypeAdapter[dict[str, Wish]] = TypeAdapter(dict[str, Wish])


class Desired:
    """By a worker's name; those that are not named serve.

    A worker that is not configured any more keeps its line: it may come back.
    """

    def __init__(self, file: Path) -> None:
        self._file = file
        self.unreadable = ""
        """Why what was written there is not known, in words."""
        self._wishes: dict[str, Wish] = {}
        try:
            self._wishes = _WISHES.validate_json(file.read_bytes())
        except FileNotFoundError:
            pass
        except OSError as error:
            self.unreadable = _told(file, f"cannot be read ({error.strerror})")
        except ValidationError:
            self.unreadable = _told(file, "makes no sense")

    @property
    def set_aside(self) -> dict[str, Wish]:
        """Those that are not to serve."""
        return dict(self._wishes)

    def of(self, worker: str) -> Wish:
        return self._wishes.get(worker, "serve")

    def remember(self, worker: str, wish: Wish) -> bool:
        """False: it could not be written, so it is forgotten with this launcher."""
        if wish == self.of(worker):
            return True
        wishes = {name: old for name, old in self._wishes.items() if name != worker}
        self._wishes = wishes if wish == "serve" else {**wishes, worker: wish}
        try:
            write_whole(self._file, json.dumps(self._wishes, indent=1, ensure_ascii=False) + "\n")
        except OSError as error:
            log.warning("cannot write what operators want", extra={"reason": str(error)})
            return False
        return True


def _told(file: Path, why: str) -> str:
    return (
        f"{file} {why}, so nobody knows which workers an operator has stopped or drained: each of "
        "them is started. Mend the file before a start, or stop and drain them again after it."
    )
