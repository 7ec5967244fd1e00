"""Files that are there whole, or as they were before."""

from __future__ import annotations

import os
from pathlib import Path


def write_whole(file: Path, text: str, *, lasting: bool = True) -> None:
    """For its owner alone. `lasting`: also when the power goes. Raises `OSError`."""
    draft = file.with_name(f"{file.name}.new")
    draft.unlink(missing_ok=True)  # its mode would stay
    with open(
        draft, "x", encoding="utf-8", opener=lambda path, flags: os.open(path, flags, 0o600)
    ) as out:
        out.write(text)
        if lasting:
            out.flush()
            os.fsync(out.fileno())
    draft.replace(file)
