"""The benchmark of dispatch: that it runs, what it is told, and its verdicts."""

from __future__ import annotations

import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from typing import get_args

import orjson
import pytest

from benchmarks.dispatch.__main__ import main
from benchmarks.dispatch.affinity import Ask, Kept
from benchmarks.dispatch.goals import Results, goals
from benchmarks.dispatch.measure import Case, Figures, Measured
from benchmarks.dispatch.plan import LOADS, Part, make_plan
from benchmarks.dispatch.report import as_text
from benchmarks.dispatch.ways import Way

ROOT = Path(__file__).resolve().parents[2]
CASE = Case(workers=10, slots=2, load=0.8, mean_s=2.0, requests=100)


def measured(way: Way, p99: float) -> Measured:
    return Measured(way, CASE, Figures(1.0, p99, 0.1))


def results(one: float, many: float) -> Results:
    found = [
        measured(Way("ideal"), 2.0),
        measured(Way("ours"), one),
        measured(Way("ours", 16), many),
        measured(Way("FastChat"), 1234.5),
    ]
    kept = Kept(Ask(CASE, 16, "prefixes", "bounded"), 0.43, Figures(1.0, 13.4, 0.2))
    return Results(found, found, [kept])


@pytest.mark.slow
@pytest.mark.system
def test_a_quick_run_prints_its_tables_and_writes_its_figures(tmp_path: Path) -> None:
    figures = tmp_path / "figures.json"
    command = [sys.executable, "-m", "benchmarks.dispatch", "--quick", "--json", str(figures)]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, done.stdout + done.stderr
    assert "16 gateways: p99 slowdown at a load of 0.8" in done.stdout
    found = orjson.loads(figures.read_bytes())
    assert {one["case"]["load"] for one in found["by_load"]} == set(LOADS)
    assert all(one["figures"]["p50"] >= 1 for one in found["by_load"] + found["by_fleet"])
    assert [goal["most"] for goal in found["goals"]] == [1.02, 1.02, 4.5, 4.5]


@pytest.mark.parametrize(
    "wrong",
    [
        ["--workers", "10001"],
        ["--gateways", "0"],
        ["--mean-s", "0"],
        ["--sizes", "equal"],
        ["--parts", "all"],
    ],
)
def test_numbers_that_make_no_sense_are_refused(
    wrong: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit) as refused:
        main(wrong)
    said = capsys.readouterr()
    assert (refused.value.code, said.out) == (2, "")
    assert f"argument {wrong[0]}: " in said.err


def test_one_gateway_is_judged_by_the_ideal_and_a_crowd_by_its_slowdown() -> None:
    assert [goal.met for goal in goals(results(one=2.0, many=4.4))] == [True] * 4
    assert [goal.met for goal in goals(results(one=2.1, many=4.6))] == [False] * 4


def test_the_tables_name_every_way_with_its_ratio_to_the_ideal() -> None:
    text = as_text(results(one=2.0, many=4.4), CASE)
    crowd = next(line for line in text.splitlines() if line.startswith("16 gateways"))
    assert crowd.split() == ["16", "gateways", "1.00", "4.40", "2.20"]
    fastchat = next(line for line in text.splitlines() if line.startswith("FastChat"))
    assert fastchat.split() == ["FastChat", "1.00", "1,234", "617"]
    kept = next(line for line in text.splitlines() if line.startswith("prefixes"))
    assert kept.split() == ["prefixes", "16", "bounded", "43%", "1.00", "13.40"]


def test_one_gateway_alone_is_not_asked_what_several_could_do() -> None:
    plan = make_plan(CASE, [1], get_args(Part))
    assert {task.way.gateways for task in plan.by_load} == {1}
    assert {task.case.load for task in plan.by_fleet} == {0.8}
    assert {ask.gateways for ask in plan.kept} == {1}


def test_with_very_many_workers_nobody_looks_at_each_of_them() -> None:
    plan = make_plan(replace(CASE, workers=10_000), [1, 16], ["loads", "keys"])
    names = {task.way.name for task in plan.by_load}
    assert names == {
        "one line for all",
        "ideal",
        "16 gateways",
        "16, reports by the clock",
        "16, two choices",
        "16, any two",
        "FastChat",
        "random",
    }
    assert (plan.by_fleet, plan.kept) == ((), ())
