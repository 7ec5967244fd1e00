"""What a model answers that can do what a large one can: it calls functions, and keeps to schemas.

It follows from the question alone, whose numbers and quoted words become arguments.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

SAID = "I am well, thank you."
_NUMBER = re.compile(r"-?\d+")
_QUOTED = re.compile(r"'([^']+)'")


def filled(schema: Mapping[str, Any], text: str, root: Mapping[str, Any] | None = None) -> Any:
    """A value that fits, with what `text` offers."""
    root = root or schema
    if "$ref" in schema:
        return filled(root["$defs"][schema["$ref"].rpartition("/")[2]], text, root)
    if "enum" in schema:
        return schema["enum"][0]
    if "anyOf" in schema:
        return filled(schema["anyOf"][0], text, root)
    if schema.get("type") == "array":
        return [filled(schema["items"], text, root)]
    if schema.get("type") != "object":
        return _plain(schema.get("type"), text)
    named = schema.get("properties", {})
    return {name: filled(each, text, root) for name, each in named.items()}


def _plain(kind: str | None, text: str) -> Any:
    if kind == "string":
        quoted = _QUOTED.search(text)
        return quoted[1] if quoted else "a"
    if kind in ("integer", "number"):
        found = _NUMBER.search(text)
        return int(found[0]) if found else 1
    return True if kind == "boolean" else None


def keyed(text: str) -> dict[str, str]:
    """An object with the keys that are quoted in `text`."""
    return dict.fromkeys(_QUOTED.findall(text), "a")


def pieces(text: str) -> list[str]:
    return [text[at : at + 7] for at in range(0, len(text), 7)]
