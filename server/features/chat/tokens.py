"""How many tokens a text may have, where nobody can count them."""

from __future__ import annotations

import re

_WIDE = re.compile(r"[\u1100-\u11ff\u2e80-\u9fff\uac00-\ud7ff\uf900-\ufaff\uff00-\uffef]")
_CHARS_PER_TOKEN = 4
"""Of languages written in letters; of Chinese, Japanese and Korean it is about one."""
MESSAGE_OVERHEAD = 8
"""What a chat template puts around one message, at most."""


def estimate(text: str) -> int:
    wide = len(_WIDE.findall(text))
    return wide + (len(text) - wide + _CHARS_PER_TOKEN - 1) // _CHARS_PER_TOKEN + MESSAGE_OVERHEAD


def most(text: str) -> int:
    """No tokenizer that can say everything makes more of it: one token for each byte."""
    return len(text.encode()) + 2 * MESSAGE_OVERHEAD
