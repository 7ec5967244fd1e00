from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from server.features.chat.tokens import estimate, most
from server.features.chat.window import MAX_COUNTS, Turn, budget_for, fit


class Counter:
    """Counts as a tokenizer would that makes `per_char` tokens of a character."""

    def __init__(self, past: list[Turn], fixed: list[str], per_char: float) -> None:
        self._past, self._fixed, self._per_char = past, fixed, per_char
        self.asked: list[int] = []

    def of(self, kept: int) -> int:
        texts = [*self._fixed, *(t for turn in self._past[:kept] for t in turn.texts)]
        return round(sum(len(text) * self._per_char + 4 for text in texts))

    async def __call__(self, kept: int) -> int:
        self.asked.append(kept)
        return self.of(kept)


async def nobody(_: int) -> int | None:
    return None


turns = st.lists(
    st.builds(Turn, query=st.text(max_size=300), response=st.text(max_size=900)), max_size=30
)


async def test_what_fits_for_certain_is_not_counted() -> None:
    past = [Turn("hello", "hi")]
    counter = Counter(past, ["what?"], 1)
    window = await fit(past, ["what?"], 1000, counter)
    assert (window.kept, counter.asked) == (1, [])
    assert window.left_out.turns == 0


async def test_without_a_known_context_nothing_is_left_out() -> None:
    past = [Turn("x" * 10_000, "y" * 10_000)] * 50
    assert (await fit(past, ["q"], None, nobody)).kept == 50


@given(turns, st.floats(0.1, 1.5), st.integers(50, 4000))
def test_the_newest_turns_that_fit_are_kept(past: list[Turn], per_char: float, budget: int) -> None:
    import asyncio

    counter = Counter(past, ["question"], per_char)
    window = asyncio.run(fit(past, ["question"], budget, counter))
    assert window.kept + window.left_out.turns == len(past)
    assert len(counter.asked) <= MAX_COUNTS
    if counter.asked and window.kept:
        assert counter.of(window.kept) <= budget


async def test_the_window_is_as_large_as_it_can_be() -> None:
    past = [Turn("q" * 40, "a" * 160) for _ in range(60)]
    for per_char in (0.2, 0.25, 0.5, 1.0):
        counter = Counter(past, ["question"], per_char)
        window = await fit(past, ["question"], 1500, counter)
        assert counter.of(window.kept) <= 1500 < counter.of(window.kept + 1)
        assert len(counter.asked) <= 5


async def test_where_nobody_can_count_it_is_estimated() -> None:
    past = [Turn("问" * 100, "答" * 100)] * 10
    window = await fit(past, ["问题"], 500, nobody)
    assert 1 <= window.kept <= 2
    assert window.left_out.turns == 10 - window.kept
    assert window.left_out.tokens > 100 * window.left_out.turns


async def test_a_question_too_long_by_itself_leaves_all_turns_out() -> None:
    past = [Turn("a", "b")] * 3
    counter = Counter(past, ["x" * 5000], 1)
    assert (await fit(past, ["x" * 5000], 100, counter)).kept == 0


def test_room_is_kept_for_the_answer() -> None:
    assert budget_for(None, 100) is None
    assert budget_for(2048, 100) == 1948
    assert budget_for(2048, None) == 1536
    assert budget_for(2048, 5000) == 1024


@given(st.text(max_size=400))
def test_an_estimate_never_exceeds_the_most(text: str) -> None:
    assert estimate(text) <= most(text)
