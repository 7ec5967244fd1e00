"""The servers that were joined at run time, in `data/joined.json`: they outlive every process.

Only the launcher that holds the home's lock writes it. Others read it, and see that their wish was
heard. No key stands in it, but the names of the variables that hold them.
"""

from __future__ import annotations

import json
import logging
from collections.abc import Mapping
from pathlib import Path

from pydantic import TypeAdapter, ValidationError

from server.core.draft import write_whole
from server.core.settings import JoinedServer

log = logging.getLogger(__name__)

_SERVERS: TypeAdapter[list[JoinedServer]] = TypeAdapter(list[JoinedServer])


class JoinedFile:
    """What stands in `file` now."""

    def __init__(self, file: Path) -> None:
        self._file = file
        self.unreadable = ""
        """Why it is not known what was written there, in words. It is not written over."""
        self._servers: dict[str, JoinedServer] = {}
        try:
            listed = _SERVERS.validate_json(file.read_bytes())
            self._servers = {server.name: server for server in listed}
        except FileNotFoundError:
            pass
        except OSError as error:
            self.unreadable = _told(file, f"cannot be read ({error.strerror})")
        except ValidationError:
            self.unreadable = _told(file, "makes no sense")

    @property
    def servers(self) -> Mapping[str, JoinedServer]:
        """By name, in the order in which they were joined."""
        return dict(self._servers)

    def add(self, server: JoinedServer) -> bool:
        """False: it could not be written, so it is not joined."""
        return self._put({**self._servers, server.name: server})

    def remove(self, name: str) -> bool:
        return self._put({n: server for n, server in self._servers.items() if n != name})

    def _put(self, servers: dict[str, JoinedServer]) -> bool:
        if self.unreadable:
            return False
        try:
            listed = [server.model_dump(mode="json") for server in servers.values()]
            write_whole(self._file, json.dumps(listed, indent=1, ensure_ascii=False) + "\n")
        except OSError as error:
            log.warning("cannot write the joined servers", extra={"reason": str(error)})
            return False
        self._servers = servers
        return True


def _told(file: Path, why: str) -> str:
    return (
        f"{file} {why}, so nobody knows which servers were joined: none of them is, and none can "
        "be until the file is mended or removed and Shortline is started again."
    )
