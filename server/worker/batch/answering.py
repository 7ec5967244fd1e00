"""One answer in the making: its prompt read in pieces, its tokens picked and told as text."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any, NamedTuple

from torch import Tensor

from server.core.errors import RequestError
from server.worker.batch.prefixes import Whose
from server.worker.batch.sampling import Sampler
from server.worker.batch.scores import Scorer
from server.worker.engine import Ask, Delta, Scored
from server.worker.prompts.tokenizing import TokenPrompt
from server.worker.text.detokeniser import Decode, Detokeniser
from server.worker.text.stops import StopHolder

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
        decode: Decode,
        scorer: Scorer,
        forward: Forward,
        prefill: int,
        begin: Begin | None,
        constraint: Constraint | None = None,
    ) -> None:
        """`prefill`: tokens of the prompt read in one step; `begin`: where it may be known already;
        `constraint`: what it has to be."""
        self.ended = False
        self.token = 0
        """The last one that was picked."""
        self.cache: Any = None
        """What the model remembers of the text, but for its last token; None while it is in a
        batch, or over."""
        self._prompt = prompt
        self._ask = ask
        self._sampler = sampler
        self._ends = ends
        self._scorer = scorer if ask.logprobs is not None else None
        self._forward = forward
        self._prefill = prefill
        self._begin = begin
        self._constraint = constraint
        self._text = Detokeniser(decode, prompt.context)
        self._holder = StopHolder((*prompt.stop, *ask.stop))
        self._picked: list[int] = []
        self._read_to = 0
        self._cached = 0
        self._scores: list[Scored] = []
        """Of tokens whose text is held back."""
        self._prompt_scores: list[Scored | None] = [None] if ask.score_prompt else []

    @property
    def adapter(self) -> str:
        return self._ask.adapter

    @property
    def whose(self) -> Whose:
        return self._ask.customer, self._ask.adapter

    @property
    def ids(self) -> tuple[int, ...]:
        """The text of which the model remembers something: all but the last token."""
        return (*self._prompt.ids, *self._picked[:-1])

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
            self._prompt_scores += self._scorer.of_many(scores, after, self._ask.logprobs or 0)
        if self._read_to < len(ids):
            return None
        return Next(scores[-1], int(scores[-1].argmax()))

    def _remember(self) -> None:
        """Begin with what is known of the prompt."""
        if self._begin is None or self._ask.score_prompt:
            return
        length, self.cache = self._begin(self._prompt.ids, self.whose)
        self._read_to = self._cached = length

    def take(self, scores: Next | RequestError) -> Delta | None:
        """As `Answering.take`; an error is why there are none."""
        if isinstance(scores, RequestError):
            raise scores
        token = self.token = self._pick(scores)
        self._picked.append(token)
        count = len(self._picked)
        if self._scorer is not None:
            self._scores.append(self._scorer.of(scores.scores, token, self._ask.logprobs or 0))
        if token in self._ends:
            return self._end("stop", self._holder.flush())
        new = self._holder.feed(self._text.feed(token))
        if self._holder.stopped:
            return self._end("stop", new, cut=True)
        if self._constraint is not None and self._constraint.is_done:
            return self._end("stop", new + self._holder.flush())
        if count == self._ask.max_tokens:
            return self._end("length", new + self._holder.flush())
        if not new:
            return None
        return self._delta(new, None)

    def _pick(self, scores: Next) -> int:
        constraint = self._constraint
        if constraint is None:
            return self._sampler.pick(scores.scores, scores.best)
        token = self._sampler.pick(constraint.mask(scores.scores))
        if token not in self._ends:
            constraint.accept(token)
        return token

    def _end(self, finish: Any, text: str, *, cut: bool = False) -> Delta:
        self.ended = True
        if cut:  # at a stop text: what it was made of is not told
            self._scores = _within(self._scores, text)
        return self._delta(text, finish)

    def _delta(self, text: str, finish: Any) -> Delta:
        scores, self._scores = tuple(self._scores), []
        prompt, self._prompt_scores = tuple(self._prompt_scores), []
        stop = self._holder.found
        return Delta(text, len(self._picked), finish, scores, prompt, self._cached, stop)


def _within(scores: Sequence[Scored], text: str) -> list[Scored]:
    """Those of the tokens that `text` is made of."""
    left = len(text.encode())
    kept = []
    for score in scores:
        if left <= 0:
            break
        kept.append(score)
        left -= len(score.text)
    return kept
