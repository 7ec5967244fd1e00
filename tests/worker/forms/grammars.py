"""What the tests of forms share: what may come next."""

from __future__ import annotations

import pytest
import torch

from server.worker.forms.grammar import Constraint
from server.worker.forms.trial import IS_OLD

ENDS = (0, 1)
VOCABULARY = 3136
"""Of the scores; the tokenizer has fewer tokens, as many models' do."""
NEW_LIBRARY = pytest.mark.skipif(IS_OLD, reason="llguidance before 1.9 has no such spaces")


def allowed(constraint: Constraint, length: int = VOCABULARY) -> list[int]:
    masked = constraint.mask(torch.zeros(length))
    assert masked.shape == (length,)
    possible: list[int] = torch.isfinite(masked).nonzero().flatten().tolist()
    return possible
