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


def of_total(done: float, total: float) -> str:
    """Such as `1.2 of 4.0 GB`, as files are told of."""
    if total >= 1e9:
        return f"{done / 1e9:.1f} of {total / 1e9:.1f} GB"
    return f"{done / 1e6:.0f} of {total / 1e6:.0f} MB"


def speed(bytes_per_s: float) -> str:
    """Such as `12 MB/s`."""
    return f"{bytes_per_s / 1e6:.{0 if bytes_per_s >= 10e6 else 1}f} MB/s"
