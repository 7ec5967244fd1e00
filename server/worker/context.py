"""Whether prompt and answer fit into the model, and OpenAI's words when they do not.

https://platform.openai.com/docs/guides/error-codes
"""

from __future__ import annotations

from itertools import chain

from server.core.context import check_chars
from server.core.errors import ContextLengthExceeded
from server.worker.asked import Chat, Prompt, Text, Tokens


def room(
    context_length: int | None, prompt_tokens: int, max_tokens: int | None, *, param: str
) -> int:
    """The most tokens that may be generated. Raises `ContextLengthExceeded`.

    `max_tokens` None: the rest of the context. `param`: `messages` or `prompt`.
    """
    if context_length is None:
        return max_tokens if max_tokens is not None else _UNLIMITED
    left = context_length - prompt_tokens
    if left < 1:
        raise ContextLengthExceeded(
            f"This model's maximum context length is {context_length} tokens. However, your "
            f"{param} resulted in {prompt_tokens} tokens. "
            f"Please reduce the length of the {param}.",
            param=param,
        )
    if max_tokens is not None and max_tokens > left:
        raise ContextLengthExceeded(
            f"This model's maximum context length is {context_length} tokens. However, you "
            f"requested {prompt_tokens + max_tokens} tokens ({prompt_tokens} in the {param}, "
            f"{max_tokens} in the completion). "
            f"Please reduce the length of the {param} or completion.",
            param=param,
        )
    return left if max_tokens is None else max_tokens


def check_length(context_length: int | None, prompt: Prompt) -> None:
    """Refuse a prompt that cannot fit, at no cost; one that passes may still be too long.

    Tokenising megabytes takes seconds and cannot be cancelled, so it must not begin.
    Raises `ContextLengthExceeded`.
    """
    match prompt:
        case Tokens(ids):
            room(context_length, len(ids), None, param="prompt")
        case Text(text):
            check_chars(context_length, len(text), param="prompt")
        case Chat(turns, functions):
            called = (call.arguments for turn in turns for call in turn.calls)
            told = (f"{one.name}{one.description}" for one in functions)
            texts = chain((turn.text for turn in turns), called, told)
            check_chars(context_length, sum(map(len, texts)), param="messages")


_UNLIMITED = 4096
"""For an engine that knows no limit."""
