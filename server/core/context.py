"""Whether a text can fit into a model's context at all, known from its length alone."""

from __future__ import annotations

from server.core.errors import ContextLengthExceeded

MAX_CHARS_PER_TOKEN = 16
"""On average, over a text that fills a context: prose has 4 to 5 in English and fewer elsewhere.
Single tokens are longer, as 64 spaces are one in some vocabularies, but a text is not made of
nothing else."""
_SLACK_CHARS = 1024
"""For contexts so short that one long word is most of the text."""


def check_chars(context_length: int | None, chars: int, *, param: str) -> None:
    """Raises `ContextLengthExceeded` for a text of `chars` characters that cannot fit."""
    if context_length is None or chars <= max_chars(context_length):
        return
    raise ContextLengthExceeded(
        f"This model's maximum context length is {context_length} tokens. However, "
        f"{chars} characters of {param} are more than that many tokens can hold. "
        f"Please reduce the length of the {param}.",
        param=param,
    )


def max_chars(context_length: int) -> int:
    """Characters that may fit into a context; a text with more is not worth tokenising."""
    return MAX_CHARS_PER_TOKEN * context_length + _SLACK_CHARS
