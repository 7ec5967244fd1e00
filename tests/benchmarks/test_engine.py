"""The benchmark of the local engine: that it runs, and that its goals can be missed."""

from __future__ import annotations

import pytest

from benchmarks.engine import late
from benchmarks.engine.__main__ import goals, table
from benchmarks.engine.late import Late, join_late
from benchmarks.engine.subject import Run, Subject
from benchmarks.engine.ways import LLAMA, ONE, OURS, OURS_BY_LLAMA, STATIC, WAYS
from tests.fakes.engines import kinds_here
from tests.fakes.tiny_llama import make_tiny_llama


@pytest.fixture(scope="module")
def subject(tmp_path_factory: pytest.TempPathFactory) -> Subject:
    return Subject.load(make_tiny_llama(tmp_path_factory.mktemp("tiny")), threads=1)


BY_LLAMA = [OURS_BY_LLAMA, LLAMA] if "llama_cpp" in kinds_here() else []


@pytest.mark.parametrize("name", [OURS, STATIC, ONE, *BY_LLAMA])
def test_each_way_makes_as_many_tokens_as_it_was_asked_for(subject: Subject, name: str) -> None:
    run = WAYS[name](subject)(3, 5)
    assert run.tokens == 15
    assert len(run.firsts_s) == 3
    assert 0 < max(run.firsts_s) <= run.wall_s


def test_goals_are_met_or_missed() -> None:
    def runs(ours: int, theirs: int) -> dict[tuple[str, int], list[Run]]:
        return {
            (OURS, 32): [Run(ours, 1.0, 1.0)],
            (STATIC, 32): [Run(theirs, 1.0, 1.0)],
        }

    assert goals(runs(85, 100)).startswith("met")
    assert goals(runs(84, 100)).startswith("MISSED")
    assert "85" in table(runs(85, 100))


def test_a_late_joiner_is_timed_alone_and_in_company(
    subject: Subject, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(late, "PROMPTS", (4, 20))
    seen = join_late(subject, company=2, rounds=1)
    assert [(one.company, one.prompt) for one in seen] == [(2, 4), (2, 20)]
    assert all(min(one.alone_s, one.first_s, one.step_s) > 0 for one in seen)
    assert len(late.table(seen).splitlines()) == 3


def test_a_late_joiner_waits_for_as_many_steps_as_were_promised_or_for_more() -> None:
    def joining(first_s: float) -> list[Late]:
        return [Late(company=8, prompt=32, alone_s=1.0, first_s=first_s, step_s=0.5)]

    assert goals({}, joining(2.0)).startswith("met      2.00")
    assert goals({}, joining(2.1)).startswith("MISSED   2.20")
