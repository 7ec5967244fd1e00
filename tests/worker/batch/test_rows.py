"""Whoever comes and goes, each text gets the tokens that it would get alone."""

from __future__ import annotations

from pathlib import Path
from random import Random
from typing import Any

import pytest
import torch
from transformers import AutoModelForCausalLM, DynamicCache

from server.core.errors import Unavailable
from server.worker.batch.rows import Batch, cache_of, memory_of

TOKENS = 16


@pytest.fixture(scope="module", params=["sdpa", "eager"])
def model(tiny_llama: Path, request: pytest.FixtureRequest) -> Any:
    kind = request.param
    return AutoModelForCausalLM.from_pretrained(tiny_llama, attn_implementation=kind)


@torch.inference_mode()
def read(model: Any, ids: list[int]) -> tuple[int, DynamicCache]:
    """The likeliest token after `ids`, and what the model remembers of them."""
    out = model(input_ids=torch.tensor([ids]), use_cache=True)
    return int(out.logits[0, -1].argmax()), out.past_key_values


def alone(model: Any, ids: list[int], count: int) -> list[int]:
    more = {"max_new_tokens": count, "min_new_tokens": count, "do_sample": False}
    out = model.generate(torch.tensor([ids]), eos_token_id=None, pad_token_id=0, **more)
    return [int(token) for token in out[0, len(ids) :]]


class Text:
    def __init__(self, model: Any, ids: list[int]) -> None:
        self.ids = ids
        token, self.cache = read(model, ids)
        self.tokens = [token]


class Company:
    """Texts in one batch; who is out may come in, who is in may go out."""

    def __init__(self, model: Any) -> None:
        self._batch = Batch(model)
        self.rows: list[Text] = []

    def come(self, text: Text) -> None:
        self._batch.add(memory_of(text.cache))
        self.rows.append(text)

    def go(self, text: Text) -> None:
        row = self.rows.index(text)
        text.cache = cache_of(self._batch.memory_of(row))
        self._batch.remove(row)
        self.rows[row] = self.rows[-1]
        self.rows.pop()

    def step(self) -> None:
        best = self._batch.step([text.tokens[-1] for text in self.rows]).argmax(-1)
        for text, token in zip(self.rows, best.tolist(), strict=True):
            text.tokens.append(token)


@pytest.mark.parametrize("seed", range(3))
def test_tokens_are_those_of_generate_whoever_joins_and_leaves(model: Any, seed: int) -> None:
    random = Random(seed)
    lengths = [random.choice([1, 2, 7, 30, 90]) for _ in range(6)]
    texts = [Text(model, [random.randrange(5, 60) for _ in range(n)]) for n in lengths]
    company = Company(model)
    while unfinished := [text for text in texts if len(text.tokens) < TOKENS]:
        text = random.choice(unfinished)
        if text not in company.rows:
            company.come(text)
        elif random.random() < 0.1:
            company.go(text)
        if company.rows:
            company.step()
    for text in texts:
        assert text.tokens == alone(model, text.ids, len(text.tokens)), len(text.ids)


def test_a_short_text_behind_a_long_one_that_left_costs_no_more_room_for_ever(model: Any) -> None:
    batch = Batch(model)
    long, short = Text(model, [7] * 100), Text(model, [9, 8])
    batch.add(memory_of(long.cache))
    batch.add(memory_of(short.cache))
    for _ in range(300):
        batch.step([5, 5])
    batch.remove(0)
    before = batch.width
    batch.remove(0)
    assert before == 400
    third = Text(model, [9, 8, 7])
    batch.add(memory_of(third.cache))
    assert (batch.width, batch.starts) == (3, [0])


def test_what_is_remembered_of_a_row_is_what_reading_it_alone_leaves(model: Any) -> None:
    batch = Batch(model)
    for ids in ([5, 6, 7, 8], [9, 10]):
        batch.add(memory_of(Text(model, ids).cache))
    batch.step([11, 12])
    _, cache = read(model, [9, 10, 12])
    for (keys, values), (own_keys, own_values) in zip(
        memory_of(cache), batch.memory_of(1), strict=True
    ):
        torch.testing.assert_close(own_keys, keys)
        torch.testing.assert_close(own_values, values)


def test_there_is_no_room_beyond_the_memory_it_may_take(model: Any) -> None:
    text = Text(model, [5] * 20)
    per_token = sum(side.nbytes for sides in memory_of(text.cache) for side in sides) // 20
    batch = Batch(model, most_bytes=2 * 25 * per_token)
    batch.add(memory_of(text.cache))
    batch.add(memory_of(text.cache))
    with pytest.raises(Unavailable) as caught:
        batch.add(memory_of(text.cache))
    assert caught.value.code == "out_of_memory"
    assert len(batch.step([6, 6])) == 2
    batch.remove(0)
    batch.add(memory_of(text.cache))
