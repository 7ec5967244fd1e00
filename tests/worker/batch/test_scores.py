from __future__ import annotations

from math import exp
from pathlib import Path
from typing import Any

import pytest
import torch
from transformers import AutoTokenizer

from server.worker.batch.scores import Scorer, bytes_by
from training.shortline_mini.evaluate import BUNDLED

SCORES = torch.tensor([[0.0, 1.0, 2.0, -1.0], [3.0, 0.0, 0.0, 0.0]])


@pytest.fixture(scope="module", params=["tiny", "bundled"])
def tokenizer(request: pytest.FixtureRequest, tiny_llama: Path) -> Any:
    return AutoTokenizer.from_pretrained(tiny_llama if request.param == "tiny" else BUNDLED)


def test_scores_are_logarithms_of_what_the_model_thought(tokenizer: Any) -> None:
    first, second = Scorer(bytes_by(tokenizer)).of_many(SCORES, (1, 0), 4)
    assert sum(exp(one.logprob) for one in first.others) == pytest.approx(1.0)
    assert [one.token for one in first.others] == [2, 1, 0, 3]
    assert first.logprob == first.others[1].logprob
    assert first.logprob - first.others[0].logprob == pytest.approx(-1.0)
    assert second.logprob == second.others[0].logprob


def test_nobody_else_is_told_unless_asked_for(tokenizer: Any) -> None:
    assert Scorer(bytes_by(tokenizer)).of(SCORES[0], 2, 0).others == ()
    assert len(Scorer(bytes_by(tokenizer)).of(SCORES[0], 2, 2).others) == 2


@pytest.mark.parametrize("text", ["hello world, how are", "你好，世界。🙂", "naïve\n\tcafé  "])
def test_the_bytes_of_tokens_are_those_of_the_text(tokenizer: Any, text: str) -> None:
    ids = tokenizer(text, add_special_tokens=False)["input_ids"]
    scores = torch.zeros(len(ids), len(tokenizer))
    said = b"".join(one.text for one in Scorer(bytes_by(tokenizer)).of_many(scores, ids, 0))
    assert said.decode() == text


def test_marks_have_no_text(tokenizer: Any) -> None:
    scores = torch.zeros(len(tokenizer))
    assert Scorer(bytes_by(tokenizer)).of(scores, tokenizer.eos_token_id, 0).text == b""
