"""What a client has of one choice, put together from its chunks."""

from __future__ import annotations

from typing import Any

from server.gateway.failover.chunks import SHAPES, Json, check_depth, is_empty, write_item

Path = tuple[str | int, ...]
"""Where something stands in a choice: `("delta", "tool_calls", 0, "function", "arguments")`."""
ROLE: Path = ("delta", "role")
_LABELS = frozenset({"role", "id", "type"})
"""Texts that are said once and do not grow."""


class Known:
    __slots__ = ("finish", "labels", "lists", "texts")

    def __init__(self) -> None:
        self.texts: dict[Path, list[str]] = {}
        """In the pieces in which they came."""
        self.lists: dict[Path, list[object]] = {}
        """The marks of their items."""
        self.labels: dict[Path, object] = {}
        self.finish: str | None = None

    def learn(self, choice: Json) -> None:
        """Add a choice of a chunk. Raises `Diverged`."""
        for key in SHAPES:
            self._learn(choice.get(key), (key,))
        self.labels.setdefault(ROLE, None)  # a choice that has begun is not introduced again
        self.finish = self.finish or choice.get("finish_reason") or None

    def _learn(self, value: Any, path: Path) -> None:
        if is_empty(value):
            return
        check_depth(path)
        if isinstance(value, dict):
            for key, item in value.items():
                if not is_place(path, key):
                    self._learn(item, (*path, key))
        elif isinstance(value, list):
            self._learn_list(value, path)
        elif is_text(value, path):
            self.texts.setdefault(path, []).append(value)
        else:
            self.labels.setdefault(path, value)

    def _learn_list(self, items: list[Any], path: Path) -> None:
        for item in items:
            place = place_of(item, path)
            if place is None:
                self.lists.setdefault(path, []).append(mark_of(item, path))
            else:
                self._learn(item, (*path, place))


def is_text(value: object, path: Path) -> bool:
    """Whether it grows from chunk to chunk."""
    return isinstance(value, str) and path[-1] not in _LABELS


def is_place(path: Path, key: str) -> bool:
    """Whether `key` only says where in its list the object at `path` stands."""
    return key == "index" and isinstance(path[-1], int)


def place_of(item: Any, path: Path) -> int | None:
    """The number that a tool call has in its list; None for items that are added one by one."""
    if path[0] != "delta" or not isinstance(item, dict):
        return None
    place = item.get("index")
    return place if type(place) is int else None


def mark_of(item: Any, path: Path) -> object:
    """What must be the same of a list's item. Of a token's odds that is the token alone: how
    likely it was differs from worker to worker in the last digits."""
    if path[0] != "logprobs":
        return write_item(item)
    token = item.get("token") if isinstance(item, dict) else item
    return token if isinstance(token, str) else None
