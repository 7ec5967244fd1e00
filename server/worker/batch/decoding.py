"""Tokens to text."""

from __future__ import annotations

from collections.abc import Collection
from functools import partial
from typing import Any

from server.worker.calls import CallStyle
from server.worker.text.detokeniser import Decode
from server.worker.text.thinking import Marks


def marks_of(
    calls: CallStyle | None, thought: Marks | None, specials: Collection[str]
) -> list[str]:
    """The special tokens that calls are written with, and what stands around thoughts."""
    parts = () if calls is None else (calls.begin, calls.middle, calls.between, calls.end)
    written = "".join(filter(None, (*parts, *(thought or ()))))
    return [mark for mark in specials if mark in written]


def decoder_of(tokenizer: Any, *, marks: bool = False) -> Decode:
    """Tokens to text, with `marks` or without. Without what transformers puts around it, where
    there is a library in Rust below it: that is most of the time that a token takes in a batch."""
    fast = getattr(tokenizer, "backend_tokenizer", None)
    if fast is not None:
        return partial(fast.decode, skip_special_tokens=not marks)
    return partial(
        tokenizer.decode, skip_special_tokens=not marks, clean_up_tokenization_spaces=False
    )


def decoder_showing(tokenizer: Any, marks: Collection[str]) -> Decode:
    """Tokens to text, with no special tokens but `marks`."""
    added = tokenizer.added_tokens_decoder.items()
    hidden = {id_ for id_, token in added if token.special and token.content not in marks}
    decode = decoder_of(tokenizer, marks=True)
    return lambda ids: decode([id_ for id_ in ids if id_ not in hidden])
