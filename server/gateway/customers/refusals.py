"""Why a key's request is refused, in OpenAI's words where it has some."""

from __future__ import annotations

from math import ceil, isinf
from typing import Final

from server.core.errors import ModelNotFound, Overloaded, Unauthorized
from server.gateway.customers.window import Header


class LimitReached(Overloaded):
    """429: a limit of the key; `headers` tell the state of its limits."""

    code = "rate_limit_exceeded"

    def __init__(
        self, message: str, *, retry_after_s: float | None = None, headers: tuple[Header, ...] = ()
    ) -> None:
        whole = None if retry_after_s is None else max(1, ceil(retry_after_s))
        super().__init__(message, retry_after_s=whole)
        self.headers = headers


class BudgetSpent(LimitReached):
    """429: the key's tokens of this day are used up."""

    type = "insufficient_quota"
    code = "insufficient_quota"


_INCORRECT: Final = "Incorrect API key provided"
"""OpenAI's words: by them, and not by the status, litellm knows that it is the key."""


def unknown_key() -> Unauthorized:
    return Unauthorized(f"{_INCORRECT}, or none: send 'Authorization: Bearer KEY'.")


def key_ended(revoked: bool) -> Unauthorized:
    """Only who has the key learns it."""
    return Unauthorized(f"{_INCORRECT}: it {'was revoked' if revoked else 'has expired'}.")


def model_hidden(model: str) -> ModelNotFound:
    """404 as for a model that does not exist: what a key may not use it cannot find out about."""
    return ModelNotFound(
        f"The model {model!r} does not exist or you do not have access to it.", param="model"
    )


def too_fast(
    of: str, limit: int, used: int, asked: int, wait_s: float, headers: tuple[Header, ...]
) -> LimitReached:
    """`of`: `requests` or `tokens`. `wait_s`: as `Window.wait_s` says."""
    if isinf(wait_s):
        return LimitReached(
            f"This request may use up to {asked} {of}, and this key has {limit} per minute. "
            "A smaller max_tokens, or a shorter prompt, asks for fewer.",
            headers=headers,
        )
    return LimitReached(
        f"Rate limit reached for {of} per minute: limit {limit}, used {used}, requested {asked}.",
        retry_after_s=wait_s,
        headers=headers,
    )


def too_many(limit: int, retry_after_s: float, headers: tuple[Header, ...]) -> LimitReached:
    return LimitReached(
        f"This key may have {limit} requests running at the same time, and it has.",
        retry_after_s=retry_after_s,
        headers=headers,
    )


def spent(limit: int, asked: int, midnight_s: float, headers: tuple[Header, ...]) -> BudgetSpent:
    """`midnight_s`: until the next day, in UTC."""
    if asked > limit:
        return BudgetSpent(
            f"This request may use up to {asked} tokens, and this key has {limit} a day. "
            "A smaller max_tokens, or a shorter prompt, asks for fewer.",
            headers=headers,
        )
    return BudgetSpent(
        f"This key has {limit} tokens a day, and too few are left for the {asked} that this "
        "request may use. A smaller max_tokens asks for fewer; at midnight UTC there are new ones.",
        retry_after_s=midnight_s,
        headers=headers,
    )


def held(limit: int, asked: int, retry_after_s: float, headers: tuple[Header, ...]) -> LimitReached:
    return LimitReached(
        f"Of this key's {limit} tokens a day too few are free for the {asked} that this request "
        "may use: others are set aside for requests that run now, and may come back.",
        retry_after_s=retry_after_s,
        headers=headers,
    )
