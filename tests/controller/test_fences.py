from __future__ import annotations

from server.controller.fences import MAX_FENCES, Fences
from tests.controller.registrations import A, B, ref


def test_only_the_generation_that_is_over_is_held() -> None:
    fences = Fences()
    fences.put(ref(A, "g1"))
    assert fences.holds(ref(A, "g1"))
    assert not fences.holds(ref(A, "g2"))
    assert not fences.holds(ref(B, "g1"))


def test_the_oldest_is_forgotten_first_so_that_memory_is_bounded() -> None:
    fences = Fences()
    for number in range(MAX_FENCES + 1):
        fences.put(ref(A, f"g{number}"))
    assert not fences.holds(ref(A, "g0"))
    assert fences.holds(ref(A, "g1"))
