"""From what was seen to figures and words."""

from __future__ import annotations

from dataclasses import replace

import pytest

from benchmarks.chat.bench import Run
from benchmarks.chat.cost import Cost, per_token
from benchmarks.chat.crowd import Crowd, Following
from benchmarks.chat.latency import NEW, OLD, FirstToken
from benchmarks.chat.messages import Seen, Tally
from benchmarks.chat.report import as_text, cost_table, share_lines
from benchmarks.chat.results import Results, goals
from benchmarks.chat.share import Share
from benchmarks.chat.ways import APP, GATEWAY, PEER, Way
from benchmarks.gateway.messages import Ask

GATEWAY_COST = Cost(GATEWAY, 0.5, 900.0, 50.0, 0.0, 1.0, 0.1)
APP_COST = Cost(APP, 5.0, 100.0, 200.0, 10.0, 0.9, 0.1)
FIRST = FirstToken(NEW, APP, 10, 9.0, 20.0, 2.0, 3.0)
SEEN = Seen(name=APP, first_us=(), total_us=(), frames=0, errors={})
RESULTS = Results(
    firsts=[FIRST, replace(FIRST, place=OLD, p50_ms=18.0), replace(FIRST, way=PEER, p50_ms=90.0)],
    costs=[GATEWAY_COST, APP_COST],
    crowds=[Crowd(APP, 8, 8, 1.0, 2.0, 3.0, 0.5)],
    following=Following(20, 20, 40_960.0, 12.0),
    shares=[Share("questions", {"LangChain": 1.0, "chat": 3.0})],
    seen=[SEEN],
)


def test_what_is_added_is_judged_in_both_places_and_for_the_app_server_alone() -> None:
    new, old, whole = goals(RESULTS)
    assert (new.figure, new.met) == (7.0, True)
    assert (old.figure, old.met) == (16.0, False)
    assert whole.met


def test_one_answer_that_is_not_whole_misses_a_goal_and_is_named() -> None:
    broken = replace(RESULTS, seen=[SEEN.model_copy(update={"errors": {"status 503": 2}})])
    assert not goals(broken)[-1].met
    assert "app: status 503: 2" in as_text(broken)


def test_a_token_costs_what_a_stream_costs_beyond_its_question() -> None:
    way = Way(APP, lambda name, url, ask: pytest.fail("nothing is asked"), "")
    seen = SEEN.model_copy(update={"total_us": (1, 1)})
    run = Run(Tally(seconds=1.0, seen=(seen,)), {APP: 0.030})
    ask = Ask(stream=True, events=101)
    assert per_token(way, run, ask, asked_s=0.005) == pytest.approx(0.0001)


def test_a_ratio_to_nothing_is_not_printed() -> None:
    app = next(line for line in cost_table(RESULTS.costs).splitlines() if line.startswith(APP))
    assert app.split() == ["app", "100", "5.00", "200", "4.0", "10.0", "-"]


def test_the_share_of_langchain_is_of_all_that_was_spent() -> None:
    line = "questions: LangChain has 25.0% of the CPU (chat 75%, LangChain 25%)"
    assert share_lines(RESULTS.shares) == line
    assert Share("nothing", {}).langchain == 0.0
