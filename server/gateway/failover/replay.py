"""One choice a second time: what is new of it."""

from __future__ import annotations

from typing import Any

from server.gateway.failover.chunks import SHAPES, Json, check_depth, is_empty
from server.gateway.failover.diverged import Diverged
from server.gateway.failover.known import Known, Path, is_place, is_text, mark_of, place_of

_NOTHING: Json = {"delta": {}, "text": "", "logprobs": None, "token_ids": None}
_NEVER_THE_SAME = frozenset({"role", "id"})
"""Labels that are not compared: a tool call has another random id at each worker."""


class Track:
    """A text or a list that was delivered, and how much of it has come again."""

    __slots__ = ("_at", "_known")

    def __init__(self, known: str | list[object]) -> None:
        self._known = known
        self._at = 0

    def swallow(self, piece: str | list[object]) -> int:
        """How many characters or items at the start of `piece` are old. Raises `Diverged`."""
        old = self._known[self._at : self._at + len(piece)]
        if piece[: len(old)] != old:
            raise Diverged("the other worker says something else")
        self._at += len(old)
        return len(old)

    @property
    def is_through(self) -> bool:
        return self._at == len(self._known)


class Replay:
    __slots__ = ("_finish", "_labels", "_live", "_tracks", "is_over")

    def __init__(self, known: Known) -> None:
        """Raises `Diverged` for something that was both a text and a list."""
        if known.texts.keys() & known.lists.keys():
            raise Diverged("what was delivered cannot be compared")
        self._tracks = {path: Track("".join(parts)) for path, parts in known.texts.items()}
        self._tracks |= {path: Track(marks) for path, marks in known.lists.items()}
        self._labels = known.labels
        self._finish = known.finish
        self._live = not known.labels
        """Whether everything from here on is new."""
        self.is_over = False
        """Whether it has ended again."""

    @property
    def is_through(self) -> bool:
        """Whether all that was delivered has come again."""
        return not self._tracks

    def fresh(self, choice: Json) -> Json | None:
        """The new part of a choice of a chunk, if there is any. Raises `Diverged`."""
        was_finished = self._finish is not None
        new = {}
        for key in SHAPES:
            if (rest := self._rest(choice.get(key), (key,))) is not None:
                new[key] = rest
        if new and (was_finished or not self.is_through):
            raise Diverged("the other worker says something else")
        reason = self._finished(choice.get("finish_reason") or None)
        if not new and reason is None and not self._live:
            return None
        self._live = True
        rest = choice | {key: new.get(key, _NOTHING[key]) for key in SHAPES if key in choice}
        return rest | {"finish_reason": reason} if "finish_reason" in choice else rest

    def _finished(self, reason: str | None) -> str | None:
        """The finish reason, if it is new."""
        if reason is None:
            return None
        if not self.is_through:
            raise Diverged("the other worker ends before the point that was reached")
        self.is_over = True
        if self._finish is None:
            self._finish = reason
            return reason
        if reason != self._finish:
            raise Diverged("the other worker ends for another reason")
        return None

    def _rest(self, value: Any, path: Path) -> Any:
        """What is new of a value, None if nothing is."""
        if is_empty(value):
            return None
        check_depth(path)
        if isinstance(value, dict):
            return self._rest_of_object(value, path)
        if isinstance(value, list):
            return self._rest_of_list(value, path)
        if is_text(value, path):
            return value[self._swallow(value, path) :] or None
        return self._rest_of_label(value, path)

    def _rest_of_object(self, value: Json, path: Path) -> Json | None:
        """With its empty fields, once there is something new in it: clients add to them."""
        kept: Json = {}
        is_new = False
        for key, item in value.items():
            if is_empty(item) or is_place(path, key):
                kept[key] = item
            elif (rest := self._rest(item, (*path, key))) is not None:
                kept[key] = rest
                is_new = True
        return kept if is_new else None

    def _rest_of_list(self, items: list[Any], path: Path) -> list[Any] | None:
        placed, added = [], []
        for item in items:
            place = place_of(item, path)
            if place is None:
                added.append(item)
            elif (rest := self._rest(item, (*path, place))) is not None:
                placed.append(rest)
        if added:
            added = added[self._swallow([mark_of(item, path) for item in added], path) :]
        return [*placed, *added] or None

    def _rest_of_label(self, value: Any, path: Path) -> Any:
        if path not in self._labels:
            return value
        if path[-1] not in _NEVER_THE_SAME and self._labels[path] != value:
            raise Diverged("the other worker says something else")
        return None

    def _swallow(self, piece: str | list[object], path: Path) -> int:
        track = self._tracks.get(path)
        if track is None:
            return 0
        count = track.swallow(piece)
        if track.is_through:
            del self._tracks[path]
        return count
