"""The benchmark of lanes: that it runs, is not fooled, and that its goals can be missed."""

from __future__ import annotations

import asyncio
import subprocess
import sys
from collections.abc import AsyncIterator
from dataclasses import replace
from pathlib import Path

import orjson
import pytest

from benchmarks.lanes.asks import Asker, Body, Seen
from benchmarks.lanes.crowd import crowd
from benchmarks.lanes.report import as_text
from benchmarks.lanes.results import Rate, Results, goals
from tests.fakes.upstream import LAST_CHUNK, STREAM_HEAD, Upstream, chunk, says, upstream, whole
from tests.fakes.worker import SECRET, Worker, local_worker

ROOT = Path(__file__).resolve().parents[2]
WORDS: Body = {"messages": [{"role": "user", "content": "one two three four"}]}
IDLE = Seen(firsts_ms=[10.0] * 20, gaps_ms=[2.0] * 60, pieces=80, whole=20)
RESULTS = Results(
    idle=IDLE,
    without=Seen(firsts_ms=[900.0] * 3, whole=3),
    beside=Seen(firsts_ms=[16.0] * 19 + [17.5], gaps_ms=[3.0], whole=20),
    alone=Rate(400, 2.0),
    shared=Rate(300, 3.0),
    flooded=Seen(firsts_ms=[15_500.0, 900.0]),
    others=[],
    cancelled=8,
    late=3,
)


@pytest.mark.slow
@pytest.mark.system
def test_a_quick_run_answers_everything_and_prints_its_goals(tmp_path: Path) -> None:
    figures = tmp_path / "figures.json"
    command = [sys.executable, "-m", "benchmarks.lanes", "--quick", "--json", str(figures)]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, done.stdout + done.stderr
    assert (
        "interactive first words beside batch, one step taken off, times idle, p50" in done.stdout
    )
    found = orjson.loads(figures.read_bytes())
    assert found["errors"] == {}
    assert found["cancelled"] > 0
    assert found["first_ms"]["beside"]["p50"] < found["first_ms"]["without"]["p50"]


@pytest.fixture
async def worker() -> AsyncIterator[Worker]:
    async with local_worker() as worker:
        yield worker


async def seen_of(fake: Upstream) -> Seen:
    seen = Seen()
    asker = Asker(fake.url, SECRET, "echo")
    await asker.ask("normal", WORDS, seen)
    asker.close()
    return seen


async def test_an_answer_is_timed_from_its_first_words_to_its_end(worker: Worker) -> None:
    seen = Seen()
    asker = Asker(worker.url, SECRET, "echo")
    await asker.ask("interactive", WORDS, seen)
    assert (seen.pieces, seen.whole, len(seen.firsts_ms)) == (4, 1, 1)
    assert not seen.errors
    assert (await asker.stats())["generated"] == 4
    asker.close()


async def test_a_stream_without_its_end_is_an_error() -> None:
    cut = STREAM_HEAD + chunk(b'data: {"content":"hi"}\n\n') + LAST_CHUNK
    async with upstream(says(cut)) as fake:
        seen = await seen_of(fake)
    assert (seen.pieces, seen.whole, dict(seen.errors)) == (1, 0, {"no end mark": 1})


async def test_a_refusal_is_an_error() -> None:
    async with upstream(says(whole(b"{}", "429 Too Many Requests"))) as fake:
        assert (await seen_of(fake)).errors == {"status 429": 1}


async def test_the_role_before_the_text_is_no_word() -> None:
    role = chunk(b'data: {"delta":{"role":"assistant","content":""}}\n\n')
    async with upstream(says(STREAM_HEAD + role + chunk(b"data: [DONE]\n\n") + LAST_CHUNK)) as fake:
        seen = await seen_of(fake)
    assert (seen.pieces, seen.whole) == (0, 1)


async def test_a_crowd_asks_until_it_is_sent_away(worker: Worker) -> None:
    asker = Asker(worker.url, SECRET, "echo")
    async with crowd(asker, "batch", WORDS, 3) as seen:
        async with asyncio.timeout(5):
            while seen.whole < 9:  # noqa: ASYNC110 - told by nobody
                await asyncio.sleep(0.005)
    assert not seen.errors
    asker.close()


def test_good_figures_meet_every_goal() -> None:
    found = goals(RESULTS)
    assert [goal.met for goal in found] == [True] * 6
    assert found[0].figure == pytest.approx((16 - 2) / 10)
    assert found[2].figure == pytest.approx(100 / 200)


@pytest.mark.parametrize(
    ("worse", "missed"),
    [
        (replace(RESULTS, beside=Seen(firsts_ms=[17.5] * 20)), (0, 1)),
        (replace(RESULTS, shared=Rate(40, 1.0)), (2,)),
        (replace(RESULTS, flooded=Seen(firsts_ms=[21_000.0])), (3,)),
        (replace(RESULTS, late=9), (4,)),
    ],
)
def test_bad_figures_miss_their_goals(worse: Results, missed: tuple[int, ...]) -> None:
    found = goals(worse)
    assert tuple(i for i, goal in enumerate(found) if not goal.met) == missed
    assert "MISSED" in as_text(worse)


def test_an_answer_that_was_not_whole_is_told_with_its_reason() -> None:
    broken = Seen()
    broken.errors["CutOff"] += 2
    found = replace(RESULTS, others=[broken])
    assert not goals(found)[-1].met
    assert "CutOff: 2" in as_text(found)
