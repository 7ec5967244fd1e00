"""What every engine can be asked, and how it answers. It knows nothing of HTTP.

An engine is one file in `server/worker/engines/`; the file's name is its `kind` in the settings.
Callers ask for one generation at a time and never learn how many run together, so that one batch
for all of them can take the place of taking turns without any caller changing.
"""

from __future__ import annotations

from collections.abc import AsyncGenerator, Callable, Mapping, Sequence
from dataclasses import dataclass

from server.core.errors import BadRequest
from server.core.settings import ModelSettings
from server.wire.fleet import Ability
from server.wire.lanes import Lane
from server.wire.process import Report
from server.worker.asked import Ask, Delta, Embedded, Form, Prepared, Prompt, Reranked

Say = Callable[[Report], None]


@dataclass(frozen=True, slots=True)
class Style:
    """How FastChat's API server can build this model's prompts: fields of its `Conversation`."""

    fields: Mapping[str, object]
    empty_system: str = ""
    """What it puts in front of the first user's text when there is no system message,"""
    no_system: str = ""
    """and what belongs there."""

    def without_empty_system(self, prompt: str) -> str:
        if not self.empty_system or not prompt.startswith(self.empty_system):
            return prompt
        return self.no_system + prompt.removeprefix(self.empty_system)


def _unheard(why: str) -> None:
    """Nobody has asked to be told."""


class Engine:
    """Base of all engines; an engine overrides what its `abilities` promise.

    Its module has `def load(settings: ModelSettings, say: Say) -> Engine`, which blocks and
    raises `StartError` naming the model and the cause.
    """

    abilities: tuple[Ability, ...] = ()
    context_length: int | None = None
    """Tokens of prompt and answer, or of one input."""
    tokens_after_cancel: int = 0
    """Tokens generated for somebody who had left; never more than one for each who leaves."""
    generated: int = 0
    """Tokens of all answers so far, those of the end marks included."""
    when_failed: Callable[[str], None] = staticmethod(_unheard)
    """Told why, by any thread, when nothing can be answered any more."""

    async def prepare(self, prompt: Prompt) -> Prepared:
        """An empty text is where the model begins; its length was looked at before.

        Raises `BadRequest` for what the model's template does not take, and for no tokens.
        """
        raise BadRequest("This model does not generate text.", param="model")

    def token_ids(self, prepared: Prepared) -> tuple[int, ...]:
        """The prompt as the model reads it: `prepared.tokens` numbers of its own vocabulary."""
        raise BadRequest("This model does not generate text.", param="model")

    async def learn(self, form: Form) -> None:
        """What an answer of that form needs to begin: nothing is generated, and nobody who
        generates waits for it. Raises `BadRequest` for one that cannot be kept to, and
        `Overloaded`."""

    def generate(self, prepared: Prepared, ask: Ask) -> AsyncGenerator[Delta, None]:
        """The answer, piece by piece. To leave the generator is to cancel, within one step.

        The caller has seen to it that prompt and answer fit into the context. Raises `BadRequest`
        for a form that cannot be kept to.
        """
        raise BadRequest("This model does not generate text.", param="model")

    async def embed(
        self,
        inputs: Sequence[str | tuple[int, ...]],
        dimensions: int | None = None,
        *,
        lane: Lane = "normal",
        customer: str = "",
    ) -> Embedded:
        """Raises `BadRequest` for an input that is too long, or `dimensions` it does not have."""
        raise BadRequest("This model does not make embeddings.", param="model")

    async def rerank(
        self,
        query: str,
        documents: Sequence[str],
        max_tokens_per_doc: int | None = None,
        *,
        lane: Lane = "normal",
        customer: str = "",
    ) -> Reranked:
        """`max_tokens_per_doc`: of each document, no more is read.

        Raises `ContextLengthExceeded` for what is too long to be read together.
        """
        raise BadRequest("This model does not rerank.", param="model")

    def style(self) -> Style | None:
        """None: nobody else can build this model's prompts."""
        return None

    def close(self) -> None:
        """Stop every thread. Running generations end as if cancelled."""


Load = Callable[[ModelSettings, Say], Engine]
