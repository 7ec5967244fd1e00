"""The name of a conversation, made from its first question."""

from __future__ import annotations

import re

MAX_TITLE_CHARS = 60
_MARKUP = re.compile(r"[`*_#>~|]+")
_SENTENCE_END = re.compile(r"(?<=[.!?])\s|(?<=[。！？])")


def title_from(query: str) -> str:
    """Its first sentence on one line, without markup; cut at a word where it is long."""
    line = next((line for line in map(_plain, query.splitlines()) if line), "")
    sentence = _SENTENCE_END.split(line, maxsplit=1)[0].strip() if line else ""
    return _cut(sentence or line) or _cut(" ".join(query.split()))


def _plain(line: str) -> str:
    return " ".join(_MARKUP.sub(" ", line).split())


def _cut(text: str) -> str:
    if len(text) <= MAX_TITLE_CHARS:
        return text
    head = text[: MAX_TITLE_CHARS - 1]
    words = head.rpartition(" ")[0]
    return (words if len(words) > MAX_TITLE_CHARS // 2 else head).rstrip(" ,;:，；：、") + "…"
