"""What operators say on the command line: files that the launcher takes and carries out.

So there is no port to guard: who may write into the home's `data/run/` may give orders.
"""

from __future__ import annotations

import logging
import os
from contextlib import suppress
from pathlib import Path

from pydantic import TypeAdapter, ValidationError

from server.core.ids import new_id
from server.wire.process import Wish

log = logging.getLogger(__name__)

LOOK_S = 0.3
MAX_WISH_BYTES = 4096
_WISH: TypeAdapter[Wish] = TypeAdapter(Wish)


def put_wish(folder: Path, wish: Wish) -> Path:
    """The file, which is gone once the launcher has heard of it. Raises `OSError`."""
    folder.mkdir(mode=0o700, exist_ok=True)
    file = folder / f"{new_id('wish')}.json"
    draft = file.with_suffix(".new")
    with open(
        draft, "x", encoding="utf-8", opener=lambda path, flags: os.open(path, flags, 0o600)
    ) as out:
        out.write(wish.model_dump_json())
    draft.replace(file)
    return file


def take_wishes(folder: Path) -> list[Wish]:
    """In the order in which they came; each is taken once."""
    found: list[Wish] = []
    try:
        files = sorted(folder.glob("*.json"), key=lambda file: file.stat().st_mtime_ns)
    except OSError:
        return []
    for file in files:
        try:
            with file.open("rb") as said:
                found.append(_WISH.validate_json(said.read(MAX_WISH_BYTES)))
        except (OSError, ValidationError):
            log.warning("a wish that makes no sense", extra={"file": file.name})
        with suppress(OSError):
            file.unlink()
    return found


def forget_wishes(folder: Path) -> None:
    """Those that nobody heard belong to a launcher that is gone."""
    with suppress(OSError):
        for file in folder.iterdir():
            file.unlink()
        folder.rmdir()
