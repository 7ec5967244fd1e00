"""Which worker keeps a session, or everybody who sends the same prefix: a pure function.

A worker that has seen the beginning of a prompt still has its keys and values, if the same worker
is asked again. Rendezvous hashing gives every key an order of its own over the workers, the same
in every gateway and after every restart; a worker that leaves moves only the keys it had.
Sources: Thaler & Ravishankar 1998; Mirrokni, Thorup & Zadimoghaddam 2016 (bounded loads).
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache
from hashlib import blake2b
from math import inf, log
from typing import Final

from server.core.dispatch import Candidate, Policy, shortest_queue

BOUND: Final = 1.25
"""A worker that is kept busy by its keys has so many times its share of all requests at most."""

_PRIME: Final = (1 << 61) - 1


def affine(
    candidates: Sequence[Candidate],
    key: bytes | None,
    *,
    bound: float = BOUND,
    otherwise: Policy = shortest_queue,
) -> Candidate | None:
    """The first candidate in the order of `key` that has a free slot and is not over the bound.

    Where none has both, the first that is not over the bound: `bound` times its share of all that
    is in flight, by slots times speed, and one request more. `bound` is finite and at least 1, so
    that somebody is always under it. Without a key, what `otherwise` says.
    """
    if not key or len(candidates) < 2:
        return otherwise(candidates)
    in_flight = capacity = 0.0
    for candidate in candidates:
        in_flight += candidate.mine + candidate.others
        capacity += candidate.slots * candidate.speed
    allowed = bound * in_flight / capacity
    number = _number(key)
    free = full = None
    nearest_free = nearest_full = inf
    for candidate in candidates:
        ahead = candidate.mine + candidate.others
        strength = candidate.slots * candidate.speed
        if ahead > allowed * strength + 1:
            continue
        # exponential with this rate: the least of all, as often as this one's strength asks for
        distance = -log(number * _of_address(candidate.address) % _PRIME / _PRIME) / strength
        if ahead < candidate.slots:
            if distance < nearest_free:
                nearest_free, free = distance, candidate
        elif distance < nearest_full:
            nearest_full, full = distance, candidate
    return free or full


@lru_cache(maxsize=16_384)
def _of_address(address: str) -> int:
    return _number(address.encode())


def _number(text: bytes) -> int:
    """Between 1 and the prime, so that a product of two is neither 0 nor the prime."""
    digest = blake2b(text, digest_size=8).digest()
    return int.from_bytes(digest) % (_PRIME - 1) + 1
