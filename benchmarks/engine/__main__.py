"""The local engine beside what transformers and FastChat make of the same weights, on a CPU.

    python -m benchmarks.engine [--model FOLDER] [--streams N …] [--tokens N] [--rounds N]

One process, one model; the ways take turns, round by round, so that a noisy minute hits all alike.
Exits with 1 after an answer of the wrong length, never because of a figure.
"""

from __future__ import annotations

import argparse
import json
import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from statistics import median
from typing import Final

from benchmarks.engine import late
from benchmarks.engine.late import Late, join_late
from benchmarks.engine.subject import Run, Subject
from benchmarks.engine.way import Unavailable, Way
from benchmarks.engine.ways import ONE, OURS, STATIC, WAYS
from training.shortline_mini.evaluate import BUNDLED

Runs = Mapping[tuple[str, int], Sequence[Run]]
MOST: Final = 32
COMPANY: Final = (8, 31)
"""Streams that a newcomer joins."""
STEPS: Final = 2.0
"""Of others, that it may wait for."""


def main() -> None:
    arguments = _parser().parse_args()
    subject = Subject.load(arguments.model, arguments.threads)
    ways, left_out = _open(subject)
    runs: dict[tuple[str, int], list[Run]] = {}
    for streams in arguments.streams:
        for _ in range(arguments.rounds):
            for name, way in ways.items():
                runs.setdefault((name, streams), []).append(way(streams, arguments.tokens))
    lates = [
        seen for company in COMPANY for seen in join_late(subject, company, arguments.rounds * 3)
    ]
    load = os.getloadavg()[0]
    print(
        f"{arguments.model.name}, {arguments.tokens} tokens a stream, {arguments.threads} "
        f"thread(s), the median of {arguments.rounds} rounds; load average {load:.1f} at the end\n"
    )
    print(table(runs))
    for name, reason in left_out.items():
        print(f"left out: {name}: {reason}")
    print()
    print(late.table(lates))
    print()
    print(goals(runs, lates))
    if arguments.json:
        arguments.json.write_text(json.dumps(as_json(runs), indent=1))


def _open(subject: Subject) -> tuple[dict[str, Way], dict[str, str]]:
    ways, left_out = {}, {}
    for name, open_way in WAYS.items():
        try:
            ways[name] = open_way(subject)
        except Unavailable as reason:
            left_out[name] = str(reason)
        else:
            ways[name](1, 4)  # what the first time costs is nobody's affair here
    return ways, left_out


def rate(runs: Sequence[Run]) -> float:
    """Tokens a second."""
    return median(run.tokens / run.wall_s for run in runs)


def table(runs: Runs) -> str:
    lines = [f"{'way':28} streams  tokens/s  CPU a token, ms  first token, median, ms"]
    for (name, streams), seen in runs.items():
        cpu_ms = median(1000 * run.cpu_s / run.tokens for run in seen)
        firsts = [first for run in seen for first in run.firsts_s]
        first = f"{1000 * median(firsts):.1f}" if firsts else "-"
        lines.append(f"{name:28} {streams:7} {rate(seen):9.0f} {cpu_ms:16.3f} {first:>24}")
    return "\n".join(lines)


def goals(runs: Runs, lates: Sequence[Late] = ()) -> str:
    """What was promised, with what was seen; a way that was not gone promises nothing."""
    lines = []
    for name, other, streams, least in ((OURS, STATIC, MOST, 0.85), (OURS, ONE, 1, 1.0)):
        ours, theirs = runs.get((name, streams)), runs.get((other, streams))
        if ours and theirs:
            ratio = rate(ours) / rate(theirs)
            verdict = "met" if ratio >= least else "MISSED"
            lines.append(
                f"{verdict:7} {ratio:5.2f} of at least {least}  tokens/s at {streams} stream(s), "
                f"for one of {other!r}"
            )
    for prompt in dict.fromkeys(one.prompt for one in lates):
        steps = late.waited([one for one in lates if one.prompt == prompt])
        lines.append(
            f"{'met' if steps <= STEPS else 'MISSED':7} {steps:5.2f} of at most {STEPS}  steps of "
            f"others before the first token of a late joiner with {prompt} tokens"
        )
    return "\n".join(lines)


def as_json(runs: Runs) -> list[dict[str, object]]:
    return [
        {
            "way": name,
            "streams": streams,
            "tokens_per_s": rate(seen),
            "tokens": [run.tokens for run in seen],
            "cpu_s": [run.cpu_s for run in seen],
        }
        for (name, streams), seen in runs.items()
    ]


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--model", type=Path, default=Path(BUNDLED), help="folder (bundled model)")
    parser.add_argument("--streams", type=int, nargs="+", default=[1, 8, MOST])
    parser.add_argument("--tokens", type=int, default=64, help="of each stream (default 64)")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--threads", type=int, default=1, help="of the model (default 1)")
    parser.add_argument("--json", type=Path, metavar="FILE")
    return parser


if __name__ == "__main__":
    main()
