from __future__ import annotations

import sys

import pytest

from benchmarks.opcodes.__main__ import measure, report

MOST = {"whole": 3800, "stream": 250}
"""Opcodes of a whole answer, and of a token with its share of the rest. A change that needs more
should be worth it; no clock is in it, so it is the same on every machine."""
SLACK = 1.0 if sys.version_info < (3, 12) else 1.5
"""Each Python counts in its own way; the bounds are those of 3.11."""


@pytest.mark.parametrize("kind", ["whole", "stream"])
async def test_a_relayed_request_stays_cheap(kind: str) -> None:
    counts, of = await measure(kind)
    assert counts.opcodes["gateway/relay.py Relay.serve"] > 0
    assert counts.opcodes.total() / of < SLACK * MOST[kind], report(counts, of, 30)
