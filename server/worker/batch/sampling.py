"""From the scores of all tokens to the next one, with random numbers of one's own."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import torch
from torch import Tensor

from server.wire.openai_refusals import bad

_GREEDY_BELOW = 1e-5


@dataclass(frozen=True, slots=True)
class Sampling:
    temperature: float = 1.0
    top_p: float = 1.0
    top_k: int = 0
    repetition_penalty: float = 1.0
    frequency_penalty: float = 0.0
    presence_penalty: float = 0.0
    logit_bias: Mapping[int, float] = field(default_factory=dict)
    seed: int | None = None


def check_bias(bias: Mapping[int, float], vocabulary: int) -> None:
    """Raises `BadRequest` for a token that is not in the vocabulary."""
    if (highest := max(bias, default=0)) >= vocabulary:
        reason = f"this model's tokens are 0 to {vocabulary - 1}"
        raise bad(f"logit_bias.{highest}", reason)


class Sampler:
    """Picks the tokens of one answer; two with the same seed pick the same ones.

    Order: repetition, frequency and presence penalties, bias, temperature, top_k, top_p.
    """

    def __init__(
        self, sampling: Sampling, prompt: Sequence[int], vocabulary: int, device: torch.device
    ) -> None:
        """Raises `BadRequest` for a bias of a token that is not in the vocabulary."""
        self._ask = sampling
        self._random = torch.Generator("cpu" if device.type == "mps" else device)
        if sampling.seed is None:
            self._random.seed()
        else:
            self._random.manual_seed(sampling.seed % 2**63)
        self._counts: Tensor | None = None
        """How often each token was picked; (vocabulary,)."""
        self._seen: Tensor | None = None
        """Whether each token stands in prompt or answer; (vocabulary,)."""
        if sampling.frequency_penalty or sampling.presence_penalty:
            self._counts = torch.zeros(vocabulary, device=device)
        if sampling.repetition_penalty != 1.0:
            self._seen = torch.zeros(vocabulary, dtype=torch.bool, device=device)
            self._seen[list(prompt)] = True
        self._bias = self._bias_of(sampling.logit_bias, vocabulary, device)
        self._is_greedy = sampling.temperature < _GREEDY_BELOW or sampling.top_p == 0.0
        changed = (self._counts, self._seen, self._bias)
        self._takes_best = self._is_greedy and all(change is None for change in changed)

    @torch.inference_mode()
    def pick(self, scores: Tensor, best: int | None = None) -> int:
        """The next token. `scores`: (vocabulary,), float32; `best`: the likeliest, if that is
        known already."""
        if best is not None and self._takes_best:
            return best
        scores = self._penalised(scores)
        if self._is_greedy:
            token = int(scores.argmax())
        else:
            likely = _only_likely(scores / self._ask.temperature, self._ask.top_k, self._ask.top_p)
            odds = likely.softmax(-1).to(self._random.device)
            token = int(torch.multinomial(odds, 1, generator=self._random))
        if self._counts is not None:
            self._counts[token] += 1
        if self._seen is not None:
            self._seen[token] = True
        return token

    def _penalised(self, scores: Tensor) -> Tensor:
        if self._seen is not None:
            penalty = self._ask.repetition_penalty
            weakened = torch.where(scores > 0, scores / penalty, scores * penalty)
            scores = torch.where(self._seen, weakened, scores)
        if self._counts is not None:
            scores = scores - self._counts * self._ask.frequency_penalty
            scores = scores - (self._counts > 0) * self._ask.presence_penalty
        if self._bias is not None:
            scores = scores + self._bias
        return scores

    @staticmethod
    def _bias_of(bias: Mapping[int, float], vocabulary: int, device: torch.device) -> Tensor | None:
        if not bias:
            return None
        check_bias(bias, vocabulary)
        tensor = torch.zeros(vocabulary, device=device)
        tensor[list(bias)] = torch.tensor(list(bias.values()), dtype=tensor.dtype, device=device)
        return tensor


def _only_likely(scores: Tensor, top_k: int, top_p: float) -> Tensor:
    """`scores` with minus infinity for all but the `top_k` best, and of those all but the fewest
    whose probabilities reach `top_p`."""
    if 0 < top_k < scores.shape[-1]:
        scores = scores.masked_fill(scores < scores.topk(top_k).values[-1], -torch.inf)
    if top_p < 1.0:
        ordered, order = scores.sort(descending=True)
        odds = ordered.softmax(-1)
        beyond = odds.cumsum(-1) - odds >= top_p
        scores = scores.masked_fill(torch.zeros_like(beyond).scatter(0, order, beyond), -torch.inf)
    return scores
