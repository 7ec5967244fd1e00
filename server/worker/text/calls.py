"""Finds the calls of functions in what a model writes, as it comes."""

from __future__ import annotations

import re
from typing import Final, Literal, NamedTuple

from server.worker.calls import CallStyle
from server.worker.text.begun import begun

_MAX_HEAD: Final = 1024
"""Characters in front of the arguments of a call, its name included; what is longer is text."""
_NAME: Final = r"(?P<name>[^\s\"'<>{}\[\]]{1,200})"
_STRUCTURE: Final = re.compile(r'["\\{}\[\]]')


class CallPart(NamedTuple):
    """Of one call. `name`: only of its first part."""

    number: int
    """From 0 on, of an answer."""
    name: str | None
    arguments: str
    """More of the JSON text."""


class Read(NamedTuple):
    text: str
    """Of the answer, that is no call."""
    calls: tuple[CallPart, ...] = ()


class CallReader:
    """However the text is cut into pieces, the same text and the same calls come out.

    What may turn out to be a call is held back, and is text if it does not. Spaces need not be
    where the style has them: who is not held to it writes JSON in his own way.
    """

    def __init__(self, style: CallStyle) -> None:
        self._style = style
        self._trigger = style.trigger
        head = rf"{_NAME}{_loose(style.middle)}\s*(?=\{{)"
        self._first = re.compile(r"\s*" + _loose(style.begin) + head)
        self._next = None if style.between is None else re.compile(_loose(style.between) + head)
        self._end = re.compile(_loose(style.end))
        self._state: Literal["text", "head", "arguments", "behind", "no calls"] = "text"
        self._held = ""
        self._count = 0
        self._depth = 0
        self._in_string = False
        self._escaped_at = -1
        """Of what is held: the character that a backslash stands in front of."""
        self._text: list[str] = []
        self._calls: list[CallPart] = []
        self._has_text = False
        """Since the last call."""

    @property
    def called(self) -> bool:
        return self._count > 0

    def feed(self, text: str) -> Read:
        """What can be told now."""
        self._held += text
        while self._go_on():
            pass
        return self._told()

    def flush(self, *, cut: bool = False) -> Read:
        """What was held back and is no call after all; the answer is over.

        `cut`: before its end, so that a call that has begun is neither told nor text.
        """
        begun = cut and (self._state == "head" or self._may_begin())
        if not begun and not (self._state == "behind" and self._may_go_on()):
            self._say(self._held.rstrip() if self.called else self._held)
        self._held = ""
        return self._told()

    def _told(self) -> Read:
        told = Read("".join(self._text), tuple(self._calls))
        self._text.clear()
        self._calls.clear()
        return told

    def _go_on(self) -> bool:
        """Whether there may be more to find in what is held."""
        match self._state:
            case "text":
                return self._read_text()
            case "head":
                return self._read_head(self._first)
            case "arguments":
                return self._read_arguments()
            case "behind":
                return self._read_behind()
            case "no calls":
                self._say(self._held)
                self._held = ""
        return False

    def _read_text(self) -> bool:
        if not self._trigger:
            return self._read_opening()
        if self.called and not self._has_text:  # spaces behind a call are not told either
            self._held = self._held.lstrip()
        at = self._held.find(self._trigger)
        if at >= 0:
            said = self._held[:at].rstrip()
            self._say(said)
            self._held = self._held[len(said) :]
            self._state = "head"
            return True
        sure = len(self._held) - begun(self._held, (self._trigger,))
        sure = len(self._held[:sure].rstrip())  # spaces in front of a call are not told
        self._say(self._held[:sure])
        self._held = self._held[sure:]
        return False

    def _read_opening(self) -> bool:
        """Without a mark, a call is an answer that begins with JSON."""
        begun = self._held.lstrip()
        if not begun:
            return False
        self._state = "head" if begun.startswith("{") and not self._has_text else "no calls"
        return True

    def _read_head(self, head: re.Pattern[str]) -> bool:
        found = head.match(self._held)
        if found is None:
            if len(self._held) <= _MAX_HEAD and _may_be(self._held, self._style.begin):
                return False
            return self._read_no_call()
        self._calls.append(CallPart(self._count, found["name"], ""))
        self._count += 1
        self._held = self._held[found.end() :]
        self._escaped_at = -1
        self._state = "arguments"
        return True

    def _read_arguments(self) -> bool:
        for mark in _STRUCTURE.finditer(self._held):
            if self._is_last(mark[0], mark.start()):
                self._add(self._held[: mark.end()])
                self._held = self._held[mark.end() :]
                self._state = "behind"
                return True
        self._escaped_at -= len(self._held)
        self._add(self._held)
        self._held = ""
        return False

    def _is_last(self, mark: str, at: int) -> bool:
        """Whether the arguments end with `mark`, which stands at `at`."""
        if self._in_string:
            if at == self._escaped_at:
                return False
            if mark == "\\":
                self._escaped_at = at + 1
            elif mark == '"':
                self._in_string = False
        elif mark == '"':
            self._in_string = True
        elif mark in "{[":
            self._depth += 1
        elif mark in "}]":
            self._depth -= 1
            return self._depth == 0
        return False

    def _read_behind(self) -> bool:
        ended = self._end.match(self._held)
        if ended is not None:
            self._held = self._held[ended.end() :]
            self._has_text = False
            self._state = "text" if self._trigger else "no calls"
            return True
        if self._next is not None and self._next.match(self._held):
            return self._read_head(self._next)
        if len(self._held) <= _MAX_HEAD and self._may_go_on():
            return False
        return self._read_no_call()

    def _may_begin(self) -> bool:
        """Whether the answer, or what follows its last call, is the beginning of a mark so far."""
        return self._state == "text" and not self._has_text and bool(self._held.strip())

    def _may_go_on(self) -> bool:
        """Whether what is held may be what stands behind the arguments of a call."""
        style = self._style
        return any(_may_be(self._held, one) for one in (style.end, style.between) if one)

    def _read_no_call(self) -> bool:
        """A mark that begins none, or what stands in the place of one's end."""
        if not self._trigger:
            self._state = "no calls"
            return True
        if self._held.lstrip().startswith(self._trigger):
            spaces, mark, self._held = self._held.partition(self._trigger)
            self._say(spaces + mark)
        self._state = "text"
        return bool(self._held)

    def _say(self, text: str) -> None:
        if text:
            self._has_text = True
            self._text.append(text)

    def _add(self, arguments: str) -> None:
        if arguments:
            self._calls.append(CallPart(self._count - 1, None, arguments))


def _loose(text: str) -> str:
    """A pattern of `text` with any space, or none, where it has some."""
    return r"\s*".join(map(re.escape, text.split())) if text.strip() else ""


def _may_be(text: str, whole: str) -> bool:
    """Whether `text` is the beginning of `whole`, or the other way round, but for spaces."""
    one, other = "".join(text.split()), "".join(whole.split())
    return one.startswith(other) or other.startswith(one)
