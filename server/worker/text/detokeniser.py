"""Tokens to text, as they come, in whole characters only."""

from __future__ import annotations

from collections.abc import Callable, Sequence

BROKEN = "\ufffd"
"""What a decoder shows for bytes that are no character, or not one yet."""
_LONG = 32

Decode = Callable[[list[int]], str]


class Detokeniser:
    """Decodes a short window of tokens at a time, so that the cost does not grow with the text.

    The window begins with tokens already shown, because some tokenizers drop the space in front
    of the first one. Bytes that are no character yet are held back until they are; bytes that
    never become one are left out.
    """

    def __init__(self, decode: Decode, context: Sequence[int] = ()) -> None:
        """`context`: tokens in front of the first one, if the text is to continue them."""
        self._decode = decode
        self._window: list[int] = []
        self._shown_tokens = 0
        self._shown = 0
        if context:
            self._restart(list(context))

    def feed(self, token: int) -> str:
        """The text that is now certain."""
        self._window.append(token)
        text = self._decode(self._window)
        certain = text.rstrip(BROKEN)
        new = certain[self._shown :]
        self._shown = max(self._shown, len(certain))
        if new and certain == text:
            self._restart(self._window[self._shown_tokens :])
        elif len(self._window) - self._shown_tokens > _LONG:
            self._restart(self._window[-_LONG // 2 :])
        return new.replace(BROKEN, "")

    def _restart(self, window: list[int]) -> None:
        """Go on with `window`, all of whose whole characters have been shown."""
        self._window = window
        self._shown_tokens = len(window)
        self._shown = len(self._decode(window).rstrip(BROKEN))
