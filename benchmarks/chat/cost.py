"""Processor time of the process that faces the client: of a question, and of each token."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from statistics import median

from benchmarks.chat.bench import Bench, Run
from benchmarks.chat.messages import Job, Seen
from benchmarks.chat.plan import CLIENTS, QUESTION, Plan
from benchmarks.chat.ways import Way
from benchmarks.gateway.messages import Ask


@dataclass(frozen=True, slots=True)
class Cost:
    """Medians of the rounds."""

    way: str
    question_ms: float
    """With an answer of one token."""
    questions_per_s: float
    """From `CLIENTS` clients, each of which asks again as soon as it was answered."""
    paced_us: float
    """Of each further token, when each comes alone."""
    fast_us: float
    """Of each further token, when they come as fast as they can."""
    paced_frames: float
    """Events that the client got for each token."""
    fast_frames: float


@dataclass(frozen=True, slots=True)
class Round:
    question_s: float
    questions_per_s: float
    paced_s: float
    fast_s: float


@dataclass(slots=True)
class Costs:
    costs: list[Cost] = field(default_factory=list)
    seen: list[Seen] = field(default_factory=list)


async def measure_costs(bench: Bench, ways: Sequence[Way], plan: Plan) -> Costs:
    found = Costs()
    rounds: dict[str, list[Round]] = {way.name: [] for way in ways}
    frames: dict[str, tuple[float, float]] = {}
    for _ in range(plan.rounds):
        for way in ways:
            question, paced, fast = [await bench.run(job) for job in _jobs(way, plan)]
            asked_s = _per_request(way, question)
            rounds[way.name].append(
                Round(
                    asked_s,
                    len(question.only.total_us) / question.tally.seconds,
                    per_token(way, paced, plan.paced, asked_s),
                    per_token(way, fast, plan.fast, asked_s),
                )
            )
            frames[way.name] = (_frames(paced, plan.paced), _frames(fast, plan.fast))
            found.seen += (question.only, paced.only, fast.only)
    found.costs = [_cost(name, rounds[name], *frames[name]) for name in rounds]
    return found


def _jobs(way: Way, plan: Plan) -> tuple[Job, ...]:
    return (
        Job(targets=(way.asking(QUESTION),), clients=CLIENTS, requests=plan.questions),
        Job(
            targets=(way.asking(plan.paced),),
            clients=plan.paced_clients,
            spread_s=plan.paced.every_ms / 1000,
        ),
        Job(targets=(way.asking(plan.fast),), clients=CLIENTS, requests=plan.fast_requests),
    )


def _per_request(way: Way, run: Run) -> float:
    return run.cpu_s[way.name] / max(1, len(run.only.total_us))


def per_token(way: Way, run: Run, ask: Ask, asked_s: float) -> float:
    """Seconds beyond the `asked_s` that each question with its first token takes."""
    requests = max(1, len(run.only.total_us))
    rest_s = run.cpu_s[way.name] - requests * asked_s
    return max(0.0, rest_s) / (requests * (ask.events - 1))


def _frames(run: Run, ask: Ask) -> float:
    return run.only.frames / max(1, len(run.only.total_us) * ask.events)


def _cost(way: str, rounds: Sequence[Round], paced_frames: float, fast_frames: float) -> Cost:
    return Cost(
        way=way,
        question_ms=median(one.question_s for one in rounds) * 1e3,
        questions_per_s=median(one.questions_per_s for one in rounds),
        paced_us=median(one.paced_s for one in rounds) * 1e6,
        fast_us=median(one.fast_s for one in rounds) * 1e6,
        paced_frames=paced_frames,
        fast_frames=fast_frames,
    )
