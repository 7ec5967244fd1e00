"""How busy workers are, for those who are told only what has changed."""

from __future__ import annotations

import orjson

from server.controller.changes import Changes
from server.wire.fleet import LOADS_START, Load


class Loads:
    """`changes` moves with every load; `since` says which came after one of its revisions."""

    def __init__(self) -> None:
        self.changes = Changes()
        self._said: dict[str, tuple[int, bytes]] = {}
        """By address, as JSON, the latest last."""

    def put(self, address: str, load: Load) -> None:
        self.changes.bump()
        said = orjson.dumps(address) + b":" + load.model_dump_json().encode()
        self._said.pop(address, None)
        self._said[address] = (self.changes.revision, said)

    def drop(self, address: str) -> None:
        self._said.pop(address, None)

    def since(self, seen: int) -> bytes:
        """A line of `server.wire.fleet.Loads`."""
        said = []
        for revision, load in reversed(self._said.values()):
            if revision <= seen:
                break
            said.append(load)
        return LOADS_START + b"{" + b",".join(said) + b"}}\n"
