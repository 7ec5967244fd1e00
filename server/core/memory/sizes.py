"""Amounts of memory, as people write them and read them."""

from __future__ import annotations

import re
from typing import Final

SIZE_PATTERN: Final = r"\d+(\.\d+)?(GiB|MiB|GB|MB)"
_UNITS: Final = {"GiB": 2**30, "MiB": 2**20, "GB": 10**9, "MB": 10**6}
_SIZE = re.compile(r"(\d+(?:\.\d+)?)(GiB|MiB|GB|MB)")


def bytes_of(size: str) -> int:
    """Of `20GiB`. Raises `ValueError`."""
    match = _SIZE.fullmatch(size)
    if match is None:
        raise ValueError(f"not an amount of memory: {size!r}")
    return int(float(match[1]) * _UNITS[match[2]])


def in_words(count: int) -> str:
    """Such as `15.3 GiB`; below a tenth of one, in MiB."""
    gib = count / 2**30
    return f"{gib:.1f} GiB" if abs(gib) >= 0.1 else f"{count / 2**20:.0f} MiB"
