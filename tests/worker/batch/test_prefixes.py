from __future__ import annotations

import torch
from hypothesis import given
from hypothesis import strategies as st

from server.worker.batch.prefixes import LEAST_TOKENS, Part, Prefixes, Whose
from server.worker.batch.rows import Memory

BYTES_PER_TOKEN = 2 * 2 * 4
TEXT = tuple(range(40))
tokens = st.lists(st.integers(0, 1), min_size=1, max_size=40).map(tuple)


def memory_of(ids: tuple[int, ...]) -> Memory:
    """One layer, in which a token is remembered as its own number."""
    side = torch.tensor(ids, dtype=torch.float32)[None, None, :, None].expand(1, 2, len(ids), 1)
    return [(side.contiguous(), side.contiguous())]


def said(memory: Memory | None) -> tuple[int, ...]:
    return () if memory is None else tuple(int(n) for n in memory[0][0][0, 0, :, 0].tolist())


def test_a_next_turn_begins_with_the_last_one() -> None:
    known = Prefixes(10**6)
    known.keep(TEXT, memory_of(TEXT))
    length, memory = known.find((*TEXT, 99, 98))
    assert (length, said(memory)) == (40, TEXT)


def test_nobody_begins_with_what_others_have_sent() -> None:
    known = Prefixes(10**6)
    ann, bob = ("ann", ""), ("bob", "")
    known.keep(TEXT, memory_of(TEXT), ann)
    assert known.find((*TEXT, 99), bob) == (0, None)
    assert known.find((*TEXT, 99), ann)[0] == 40
    known.keep((*TEXT, 99), memory_of((*TEXT, 99)), bob)
    assert known.find((*TEXT, 98), ann)[0] == 40


def test_what_one_adapter_has_read_is_not_known_to_another() -> None:
    known = Prefixes(10**6)
    known.keep(TEXT, memory_of(TEXT), ("ann", "pirate"))
    assert known.find((*TEXT, 99), ("ann", "")) == (0, None)
    assert known.find((*TEXT, 99), ("ann", "pirate"))[0] == 40


def test_what_is_being_answered_is_known_too() -> None:
    ann, bob, pirate = ("ann", ""), ("bob", ""), ("ann", "pirate")
    texts = {ann: TEXT, bob: TEXT[:30]}

    def live(whose: Whose) -> list[tuple[tuple[int, ...], Part]]:
        found = texts.get(whose)
        return [] if found is None else [(found, lambda n: memory_of(found[:n]))]

    known = Prefixes(10**6, live)
    known.keep(TEXT[:35], memory_of(TEXT[:35]), bob)
    for whose, length in ((ann, 40), (bob, 35), (pirate, 0)):
        told, memory = known.find((*TEXT, 99), whose)
        assert (told, said(memory)) == (length, TEXT[:length])
    assert known.bytes == 35 * BYTES_PER_TOKEN


def test_the_last_token_is_always_read() -> None:
    known = Prefixes(10**6)
    known.keep(TEXT, memory_of(TEXT))
    assert known.find(TEXT)[0] == len(TEXT) - 1


def test_what_is_short_is_not_kept_and_not_found() -> None:
    known = Prefixes(10**6)
    known.keep(TEXT[: LEAST_TOKENS - 1], memory_of(TEXT[: LEAST_TOKENS - 1]))
    assert known.bytes == 0
    known.keep(TEXT, memory_of(TEXT))
    assert known.find((*TEXT[: LEAST_TOKENS - 1], 99)) == (0, None)


def test_a_longer_text_takes_the_place_of_its_beginning() -> None:
    known = Prefixes(10**6)
    known.keep(TEXT[:20], memory_of(TEXT[:20]))
    known.keep(TEXT, memory_of(TEXT))
    assert known.bytes == len(TEXT) * BYTES_PER_TOKEN


def test_who_was_not_asked_for_goes_first_and_the_bytes_stay_bounded() -> None:
    one, two, three = (tuple(range(start, start + 20)) for start in (0, 100, 200))
    known = Prefixes(2 * 20 * BYTES_PER_TOKEN)
    for text in (one, two):
        known.keep(text, memory_of(text))
    known.find((*one, 9))
    known.keep(three, memory_of(three))
    assert known.bytes == 2 * 20 * BYTES_PER_TOKEN
    assert known.find((*one, 9))[0] == 20
    assert known.find((*two, 9))[0] == 0
    huge = tuple(range(500, 1500))
    known.keep(huge, memory_of(huge))
    assert known.find((*huge, 9))[0] == 0


@given(st.lists(tokens, max_size=6), tokens)
def test_what_is_found_is_the_longest_beginning(
    kept: list[tuple[int, ...]], asked: tuple[int, ...]
) -> None:
    known = Prefixes(10**6)
    for text in kept:
        known.keep(text, memory_of(text))
    length, memory = known.find(asked)
    beginnings = [
        n
        for text in kept
        if len(text) >= LEAST_TOKENS
        for n in range(min(len(text), len(asked) - 1) + 1)
        if text[:n] == asked[:n]
    ]
    longest = max(beginnings, default=0)
    assert length == (longest if longest >= LEAST_TOKENS else 0)
    assert said(memory) == asked[:length]
