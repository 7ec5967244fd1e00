"""What the chat has to know about a model before it asks it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol


@dataclass(frozen=True, slots=True)
class ChatModel:
    name: str
    context_length: int | None = None
    """Tokens of prompt and answer; None: not known, so nothing is left out."""
    repeats: bool = False
    """The same request with the same seed gives the same text again, as our own workers do."""


class Catalogue(Protocol):
    async def resolve(self, name: str) -> ChatModel:
        """The model called `name`; empty: the first that can chat.

        A model that is known and only down for the moment is found too. Raises `ModelNotFound`
        for one that nobody ever offered, `BadRequest` for one that cannot chat, `Unavailable`
        when there is none at all or nobody can tell.
        """
