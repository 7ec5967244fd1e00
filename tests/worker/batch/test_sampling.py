from __future__ import annotations

from collections import Counter

import pytest
import torch

from server.core.errors import BadRequest
from server.worker.batch.sampling import Sampler, Sampling

CPU = torch.device("cpu")
SCORES = torch.tensor([3.0, 2.0, 1.0, 0.0])


def picks(sampling: Sampling, count: int = 300, prompt: tuple[int, ...] = ()) -> list[int]:
    sampler = Sampler(sampling, prompt, len(SCORES), CPU)
    return [sampler.pick(SCORES.clone()) for _ in range(count)]


@pytest.mark.parametrize("greedy", [Sampling(temperature=0), Sampling(top_p=0), Sampling(top_k=1)])
def test_greedy_takes_the_likeliest(greedy: Sampling) -> None:
    assert set(picks(greedy, 20)) == {0}


def test_a_seed_repeats_itself_whatever_the_global_generator_does() -> None:
    first = picks(Sampling(seed=-5))
    torch.manual_seed(99)
    assert picks(Sampling(seed=-5)) == first
    assert picks(Sampling(seed=6)) != first
    assert picks(Sampling()) != picks(Sampling())


def test_the_global_generator_is_left_alone() -> None:
    before = torch.get_rng_state()
    picks(Sampling(seed=1))
    assert torch.equal(torch.get_rng_state(), before)


def test_top_k_keeps_the_best() -> None:
    assert set(picks(Sampling(top_k=2, temperature=2.0, seed=1))) == {0, 1}


def test_top_p_keeps_the_fewest_that_reach_it() -> None:
    odds = SCORES.softmax(-1)
    enough = float(odds[0] + odds[1]) - 0.01
    assert set(picks(Sampling(top_p=enough, seed=1))) == {0, 1}
    assert set(picks(Sampling(top_p=0.01, seed=1))) == {0}


def test_tokens_are_as_frequent_as_they_are_likely() -> None:
    counts = Counter(picks(Sampling(seed=3), 4000))
    for token, odds in enumerate(SCORES.softmax(-1).tolist()):
        assert counts[token] / 4000 == pytest.approx(odds, abs=0.03)


def test_a_frequency_penalty_grows_with_each_use() -> None:
    assert picks(Sampling(temperature=0, frequency_penalty=0.6), 6) == [0, 0, 1, 0, 1, 0]


def test_a_presence_penalty_counts_once() -> None:
    assert picks(Sampling(temperature=0, presence_penalty=1.5), 4) == [0, 1, 0, 0]


def test_a_repetition_penalty_counts_the_prompt_too() -> None:
    assert picks(Sampling(temperature=0, repetition_penalty=2.0), 1, prompt=(0,)) == [1]


def test_a_bias_moves_the_choice() -> None:
    assert picks(Sampling(temperature=0, logit_bias={3: 100.0}), 1) == [3]


@pytest.mark.parametrize("token", [len(SCORES), 2**31])
def test_a_bias_of_a_token_that_is_not_there_is_refused(token: int) -> None:
    with pytest.raises(BadRequest) as caught:
        picks(Sampling(logit_bias={3: 100.0, token: 5.0}), 1)
    assert caught.value.param == f"logit_bias.{token}"
    assert caught.value.message.endswith(f"this model's tokens are 0 to {len(SCORES) - 1}.")
