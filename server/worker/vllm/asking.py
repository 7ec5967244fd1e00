"""What is asked of an answer, in vLLM's words, and what vLLM tells of it in ours."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from vllm.logprobs import Logprob
from vllm.sampling_params import RequestOutputKind, SamplingParams, StructuredOutputsParams

from server.worker.asked import Ask, Likely, Scored
from server.worker.batch.sampling import Sampling, check_bias

LEAST_TOP_P = 1e-6
"""vLLM takes no 0; that little leaves the likeliest token alone as well."""


def params_of(
    ask: Ask, sampling: Sampling, ends: frozenset[int], vocabulary: int, lark: str | None
) -> SamplingParams:
    """`vocabulary`: tokens that there are scores for; `lark`: the grammar of its form.

    Raises `BadRequest` for a bias of a token that is none of them.
    """
    check_bias(sampling.logit_bias, vocabulary)
    return SamplingParams(
        max_tokens=ask.max_tokens,
        temperature=sampling.temperature,
        top_p=max(sampling.top_p, LEAST_TOP_P),
        top_k=sampling.top_k,
        repetition_penalty=sampling.repetition_penalty,
        frequency_penalty=sampling.frequency_penalty,
        presence_penalty=sampling.presence_penalty,
        logit_bias=dict(sampling.logit_bias) or None,
        seed=None if sampling.seed is None else sampling.seed % 2**63,
        stop_token_ids=sorted(ends),
        logprobs=ask.logprobs,
        prompt_logprobs=(ask.logprobs or 0) if ask.score_prompt else None,
        structured_outputs=None if lark is None else StructuredOutputsParams(grammar=lark),
        detokenize=False,
        output_kind=RequestOutputKind.DELTA,
        skip_clone=True,
    )


class Scoring:
    """`bytes_of`: what a token adds to a text."""

    def __init__(self, bytes_of: Callable[[int], bytes]) -> None:
        self._bytes_of = bytes_of

    def of(self, token: int, seen: Mapping[int, Logprob], others: int) -> Scored:
        """`seen`: the token's own and the likeliest in its place, `others` of which are told."""
        best = sorted((one.rank or 0, other, one.logprob) for other, one in seen.items())
        told = tuple(
            Likely(other, self._bytes_of(other), logprob)
            for rank, other, logprob in best
            if rank <= others and logprob > -float("inf")  # a form bars the rest
        )
        return Scored(token, self._bytes_of(token), seen[token].logprob, told[:others])

    def of_prompt(self, ids: tuple[int, ...], seen: Any, others: int) -> list[Scored | None]:
        """Of each of the prompt's tokens; the first one has none."""
        rest = zip(ids[1:], seen[1:], strict=True)
        return [None, *(self.of(token, one, others) for token, one in rest)]
