from __future__ import annotations

from collections import Counter
from random import Random

from hypothesis import assume, given
from hypothesis import strategies as st

from server.core.affinity import BOUND, affine
from server.core.dispatch import Candidate

keys = st.binary(min_size=1, max_size=40)
strengths = st.tuples(st.sampled_from([0.5, 1.0, 4.0]), st.integers(1, 8))
fleets = st.lists(st.tuples(st.integers(0, 40), strengths), min_size=2, max_size=12)


def fleet(number: int, *, mine: int = 0, slots: int = 4) -> list[Candidate]:
    return [Candidate(f"http://10.0.0.{n}:20002", mine, slots=slots) for n in range(number)]


def busy(drawn: list[tuple[int, tuple[float, int]]]) -> list[Candidate]:
    return [
        Candidate(f"http://10.0.0.{n}:20002", ahead // 2, ahead - ahead // 2, speed, slots)
        for n, (ahead, (speed, slots)) in enumerate(drawn)
    ]


def ahead(candidate: Candidate) -> int:
    return candidate.mine + candidate.others


def over(candidate: Candidate, found: list[Candidate], bound: float = BOUND) -> bool:
    share = candidate.slots * candidate.speed / sum(c.slots * c.speed for c in found)
    return ahead(candidate) > bound * sum(map(ahead, found)) * share + 1 + 1e-9


def address(found: list[Candidate], key: bytes) -> str:
    chosen = affine(found, key)
    assert chosen is not None
    return chosen.address


def test_a_key_comes_back_to_its_worker_in_every_process_and_after_every_restart() -> None:
    homes = [address(fleet(8), b"session %d" % number)[14:15] for number in range(12)]
    assert "".join(homes) == "771261710247"


def test_without_a_key_the_policy_decides() -> None:
    found = fleet(3)
    assert affine(found, None, otherwise=lambda candidates: candidates[1]) is found[1]
    assert affine(found, b"", otherwise=lambda candidates: candidates[2]) is found[2]
    assert affine([], b"key") is None


@given(keys, st.integers(0, 7))
def test_a_worker_that_leaves_moves_only_the_keys_it_had(key: bytes, leaves: int) -> None:
    before = fleet(8)
    after = [candidate for at, candidate in enumerate(before) if at != leaves]
    home = address(before, key)
    if home == before[leaves].address:
        assert address(after, key) != home
    else:
        assert address(after, key) == home


def test_the_keys_of_a_worker_that_leaves_are_shared_by_the_others() -> None:
    before = fleet(8)
    keys = [b"%d" % number for number in range(4_000)]
    mine = [key for key in keys if address(before, key) == before[7].address]
    moved = Counter(address(before[:7], key) for key in mine)
    assert len(moved) == 7
    assert min(moved.values()) > len(mine) / 7 / 2


def test_keys_are_spread_by_slots_and_speed() -> None:
    found = [Candidate("http://a:1", speed=2.0, slots=3), Candidate("http://b:1", slots=2)]
    drawn = Counter(address(found, b"%d" % number) for number in range(4_000))
    assert 2_900 < drawn["http://a:1"] < 3_100  # six of eight


@given(keys, fleets)
def test_nobody_over_the_bound_is_chosen(
    key: bytes, drawn: list[tuple[int, tuple[float, int]]]
) -> None:
    found = busy(drawn)
    chosen = affine(found, key)
    assert chosen is not None
    assert not over(chosen, found)


@given(keys, fleets)
def test_nobody_waits_for_its_own_worker_while_another_under_the_bound_has_a_free_slot(
    key: bytes, drawn: list[tuple[int, tuple[float, int]]]
) -> None:
    found = busy(drawn)
    chosen = affine(found, key)
    free = [c for c in found if ahead(c) < c.slots and not over(c, found)]
    assert chosen is not None
    if free:
        assert ahead(chosen) < chosen.slots


@given(keys, st.integers(2, 12), st.integers(0, 30))
def test_a_worker_that_is_full_hands_its_key_to_the_next_in_the_keys_own_order(
    key: bytes, number: int, load: int
) -> None:
    found = fleet(number, mine=load)
    home = address(found, key)
    assert home == address(fleet(number), key), "equally busy workers keep their keys"
    filled = [c._replace(mine=3 * load + 20) if c.address == home else c for c in found]
    rest = [c for c in found if c.address != home]
    assert address(filled, key) == address(rest, key)


@given(st.integers(2, 10), st.integers(1, 200), st.integers(1, 8), st.integers())
def test_bounded_load_holds_however_the_keys_fall(
    workers: int, requests: int, slots: int, seed: int
) -> None:
    random = Random(seed)
    found = fleet(workers, slots=slots)
    for _ in range(requests):
        chosen = affine(found, b"%d" % min(random.randrange(9), random.randrange(9)))
        assert chosen is not None
        found[found.index(chosen)] = chosen._replace(mine=chosen.mine + 1)
    assert max(c.mine for c in found) <= BOUND * requests / workers + 2


@given(keys, st.integers(2, 8), st.integers(0, 100))
def test_a_wider_bound_lets_a_key_stay(key: bytes, number: int, extra: int) -> None:
    found = fleet(number, mine=10, slots=1)
    home = address(found, key)
    filled = [c._replace(mine=10 + extra) if c.address == home else c for c in found]
    chosen = affine(filled, key, bound=1000.0)
    assert chosen is not None
    assert chosen.address == home
    assume(extra > 25)
    assert address(filled, key) != home
