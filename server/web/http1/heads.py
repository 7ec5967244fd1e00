"""What request heads mean, remembered: a client says the same one again and again.

To read a head costs more than all else that the server does for a request. What it means follows
from its bytes alone, so a head that was read before, byte for byte, is not read again.
"""

from __future__ import annotations

from typing import Any, Final, NamedTuple

MAX_HEAD_BYTES: Final = 2048
"""Longer ones are read each time."""
_MAX_HEADS: Final = 512
_MAX_SAID: Final = 4096
END: Final = b"\r\n\r\n"


class Head(NamedTuple):
    """A head of HTTP/1.1 after which the connection is kept, and whose body has a length."""

    scope: dict[str, Any]
    """ASGI's, without what belongs to one connection or one request."""
    start: int
    """Of the body, in bytes from that of the head."""
    end: int


class Heads:
    """Those that were said twice: many clients give each of their requests a name of its own, and
    so say no head again."""

    __slots__ = ("_known", "_said", "find")

    def __init__(self) -> None:
        self._known: dict[bytes, Head] = {}
        self._said: set[int] = set()
        """Hashes of those that were said once."""
        self.find = self._known.get
        """What a head is known to mean; its bytes go to the end of its empty line."""

    def keep(self, text: bytes, head: Head) -> None:
        """Remember what `text` means, if it is said for the second time."""
        said = hash(text)
        if said not in self._said:
            if len(self._said) >= _MAX_SAID:
                self._said.clear()
            self._said.add(said)
        elif _ends_once(text):
            if len(self._known) >= _MAX_HEADS:
                self._known.clear()
            self._known[text] = head


def _ends_once(text: bytes) -> bool:
    """Whether nobody could take another place for the end of this head: a line break is CRLF and
    nothing else, and none stands in front, where two of them would look like that end."""
    breaks = text.count(b"\r\n")
    if text[:1] == b"\r" or not text.count(b"\n") == breaks == text.count(b"\r"):
        return False
    return text.find(END) == len(text) - len(END)
