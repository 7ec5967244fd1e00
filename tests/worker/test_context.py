from __future__ import annotations

import pytest

from server.core.errors import ContextLengthExceeded
from server.worker.asked import Chat, Prompt, Text, Tokens, Turn
from server.worker.context import check_length, room


def test_without_a_wish_the_rest_of_the_context_is_used() -> None:
    assert room(100, 40, None, param="messages") == 60


def test_a_wish_that_fits_is_granted() -> None:
    assert room(100, 40, 60, param="messages") == 60


def test_a_prompt_that_fills_the_context_is_refused_in_openais_words() -> None:
    with pytest.raises(ContextLengthExceeded) as caught:
        room(100, 100, None, param="messages")
    assert caught.value.message == (
        "This model's maximum context length is 100 tokens. However, your messages resulted in "
        "100 tokens. Please reduce the length of the messages."
    )
    assert caught.value.code == "context_length_exceeded"
    assert caught.value.param == "messages"


def test_prompt_and_answer_together_are_refused_in_openais_words() -> None:
    with pytest.raises(ContextLengthExceeded) as caught:
        room(100, 40, 61, param="messages")
    assert caught.value.message == (
        "This model's maximum context length is 100 tokens. However, you requested 101 tokens "
        "(40 in the messages, 61 in the completion). "
        "Please reduce the length of the messages or completion."
    )


def test_an_engine_without_a_limit_grants_every_wish() -> None:
    assert room(None, 10**6, 5, param="prompt") == 5


@pytest.mark.parametrize(
    ("prompt", "param"),
    [
        (Text("x" * 2625), "prompt"),
        (Tokens((1,) * 100), "prompt"),
        (Chat((Turn("user", "x" * 2600), Turn("user", "x" * 25))), "messages"),
    ],
)
def test_what_cannot_fit_is_refused_before_it_is_tokenised(prompt: Prompt, param: str) -> None:
    with pytest.raises(ContextLengthExceeded, match="maximum context length is 100 ") as caught:
        check_length(100, prompt)
    assert caught.value.param == param
    check_length(None, prompt)


def test_what_may_fit_is_left_to_the_tokenizer() -> None:
    for prompt in (Text("x" * 2624), Tokens((1,) * 99), Chat((Turn("user", "x" * 2624),))):
        check_length(100, prompt)
