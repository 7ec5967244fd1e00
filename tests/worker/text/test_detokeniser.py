from __future__ import annotations

from collections.abc import Callable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from server.worker.text.detokeniser import BROKEN, Detokeniser
from tests.fakes.tiny_llama import tokenizer

WORDS = tokenizer()
TEXT = st.text(st.characters(exclude_categories=["Cs"], exclude_characters=BROKEN), max_size=60)
FAMILY = "👨‍👩‍👧‍👦 你好，世界 🇨🇳 ¡olé! naïve \u0301"


def decode(ids: list[int]) -> str:
    return str(WORDS.decode(ids, skip_special_tokens=True, clean_up_tokenization_spaces=False))


def decode_bytes(ids: list[int]) -> str:
    """The hardest tokenizer: each byte is a token."""
    return bytes(ids).decode("utf-8", "replace")


def decode_words(ids: list[int]) -> str:
    """As sentencepiece does: the space in front of the first token is dropped."""
    return "".join(f" {chr(token)}" for token in ids).removeprefix(" ")


def deltas(decode: Callable[[list[int]], str], ids: list[int]) -> list[str]:
    detokeniser = Detokeniser(decode)
    return [detokeniser.feed(token) for token in ids]


@given(TEXT)
def test_the_pieces_make_the_text(text: str) -> None:
    assert "".join(deltas(decode, WORDS.encode(text, add_special_tokens=False))) == text


@given(TEXT)
def test_bytes_one_by_one_make_the_text(text: str) -> None:
    assert "".join(deltas(decode_bytes, list(text.encode()))) == text


@given(st.lists(st.integers(0, len(WORDS) - 1), max_size=120))
def test_no_tokens_make_a_broken_character(ids: list[int]) -> None:
    assert not any(BROKEN in delta for delta in deltas(decode, ids))


@given(TEXT)
def test_each_character_comes_as_soon_as_it_is_whole(text: str) -> None:
    given_bytes, given_text = b"", ""
    detokeniser = Detokeniser(decode_bytes)
    for byte in text.encode():
        given_bytes += bytes([byte])
        given_text += detokeniser.feed(byte)
        assert given_text == given_bytes.decode("utf-8", "ignore")


@pytest.mark.parametrize("text", [FAMILY, FAMILY * 20, "你" * 100, "🙂" * 100])
def test_chinese_and_emoji_survive(text: str) -> None:
    assert "".join(deltas(decode, WORDS.encode(text, add_special_tokens=False))) == text


def test_half_a_character_at_the_end_is_not_shown() -> None:
    assert "".join(deltas(decode_bytes, list("好🙂".encode())[:-1])) == "好"


def test_spaces_survive_a_decoder_that_drops_the_first() -> None:
    assert "".join(deltas(decode_words, [97, 98, 99])) == "a b c"


def test_a_continued_prompt_keeps_the_space_in_front() -> None:
    detokeniser = Detokeniser(decode_words, context=[97, 98])
    assert detokeniser.feed(99) == " c"


def test_endless_garbage_costs_no_more_for_each_token() -> None:
    longest = 0

    def measured(ids: list[int]) -> str:
        nonlocal longest
        longest = max(longest, len(ids))
        return decode_bytes(ids)

    deltas(measured, [0xFF] * 500)
    assert longest < 100
