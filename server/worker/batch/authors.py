"""What the authors of a model recommend, as transformers' `GenerationConfig` has it."""

from __future__ import annotations

from typing import Any

from server.worker.batch.sampling import Sampling


def recommended(authors: Any) -> Sampling:
    greedy = authors.do_sample is False
    return Sampling(
        temperature=0.0 if greedy else _first(authors.temperature, 1.0),
        top_p=_first(authors.top_p, 1.0),
        top_k=int(_first(authors.top_k, 0)),
        repetition_penalty=_first(authors.repetition_penalty, 1.0),
    )


def end_tokens(authors: Any, tokenizer: Any) -> frozenset[int]:
    """Those that end an answer."""
    ends = authors.eos_token_id
    found = set(ends if isinstance(ends, list) else [ends]) | {tokenizer.eos_token_id}
    return frozenset(token for token in found if token is not None)


def _first(*values: float | None) -> float:
    return next(value for value in values if value is not None)
