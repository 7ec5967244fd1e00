"""One answer in the making: its prompt read in pieces, its tokens picked one by one."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any, NamedTuple

from torch import Tensor

from server.core.errors import RequestError
from server.worker.asked import Ask, Delta
from server.worker.batch.prefixes import Whose
from server.worker.batch.sampling import Sampler
from server.worker.batch.scores import Scorer
from server.worker.batch.telling import Telling
from server.worker.prompts.tokenizing import TokenPrompt

if TYPE_CHECKING:
    from server.worker.forms.grammar import Constraint

Forward = Callable[..., tuple[Tensor, Any]]
"""As `TransformersEngine.forward`."""
Begin = Callable[[tuple[int, ...], Whose], tuple[int, Any]]
"""How many of the first tokens are remembered, and the cache to go on with."""


class Next(NamedTuple):
    """What the model makes of a text."""

    scores: Tensor
    """Of each token that may come next, (vocabulary,), float32."""
    best: int
    """The likeliest one: told for all answers of a batch at once, that costs a tenth."""


class GeneratedAnswer:
    """`worker.batcher.Answering` for whatever has a `Forward`."""

    def __init__(
        self,
        prompt: TokenPrompt,
        ask: Ask,
        sampler: Sampler,
        ends: frozenset[int],
        telling: Telling,
        scorer: Scorer,
        forward: Forward,
        prefill: int,
        begin: Begin | None,
        constraint: Constraint | None = None,
    ) -> None:
        """`prefill`: tokens of the prompt read in one step; `begin`: where it may be known already;
        `constraint`: what it has to be."""
        self.token = 0
        """The last one that was picked."""
        self.cache: Any = None
        """What the model remembers of the text, but for its last token; None while it is in a
        batch, or over."""
        self._prompt = prompt
        self._ask = ask
        self._sampler = sampler
        self._ends = ends
        self._telling = telling
        self._scorer = scorer if ask.logprobs is not None else None
        self._forward = forward
        self._prefill = prefill
        self._begin = begin
        self._constraint = constraint
        self._read_to = 0

    @property
    def ended(self) -> bool:
        return self._telling.ended

    @property
    def adapter(self) -> str:
        return self._ask.adapter

    @property
    def whose(self) -> Whose:
        return self._ask.customer, self._ask.adapter

    @property
    def ids(self) -> tuple[int, ...]:
        """The text of which the model remembers something: all but the last token."""
        return (*self._prompt.ids, *self._telling.picked[:-1])

    def read(self) -> Next | None:
        """As `Answering.read`."""
        ids = self._prompt.ids
        if self._read_to == 0:
            self._remember()
        start, end = self._read_to, self._read_to + self._prefill
        piece = ids[start:end]
        scores, self.cache = self._forward(
            piece, self.cache, self.adapter, every=self._ask.score_prompt
        )
        self._read_to = start + len(piece)
        if self._ask.score_prompt and self._scorer is not None:
            after = ids[start + 1 : self._read_to + 1]
            scored = self._scorer.of_many(scores, after, self._ask.logprobs or 0)
            self._telling.prompt_scores += scored
        if self._read_to < len(ids):
            return None
        return Next(scores[-1], int(scores[-1].argmax()))

    def _remember(self) -> None:
        """Begin with what is known of the prompt."""
        if self._begin is None or self._ask.score_prompt:
            return
        length, self.cache = self._begin(self._prompt.ids, self.whose)
        self._read_to = self._telling.cached = length

    def take(self, scores: Next | RequestError) -> Delta | None:
        """As `Answering.take`; an error is why there are none."""
        if isinstance(scores, RequestError):
            raise scores
        token = self.token = self._pick(scores)
        score = None
        if self._scorer is not None:
            score = self._scorer.of(scores.scores, token, self._ask.logprobs or 0)
        is_done = self._constraint is not None and self._constraint.is_done
        return self._telling.tell(token, score, last=is_done)

    def _pick(self, scores: Next) -> int:
        constraint = self._constraint
        if constraint is None:
            return self._sampler.pick(scores.scores, scores.best)
        token = self._sampler.pick(constraint.mask(scores.scores))
        if token not in self._ends:
            constraint.accept(token)
        return token
