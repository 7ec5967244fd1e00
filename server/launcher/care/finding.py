"""One line of the doctor's report."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

Level = Literal["ok", "warn", "wrong"]


@dataclass(frozen=True, slots=True)
class Finding:
    level: Level
    about: str
    text: str
    mend: str = ""
    """What to do about it."""


def ok(about: str, text: str) -> Finding:
    return Finding("ok", about, text)


def warn(about: str, text: str, mend: str = "") -> Finding:
    return Finding("warn", about, text, mend)


def wrong(about: str, text: str, mend: str = "") -> Finding:
    return Finding("wrong", about, text, mend)
