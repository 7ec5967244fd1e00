"""`python -m benchmarks.opcodes`: what one relayed request costs, in steps of the interpreter.

No clock is read, so a busy machine changes nothing: two runs print the same. A step of ours takes
about 15 ns; what libraries in C do is not counted.
"""

from __future__ import annotations

import argparse

import uvloop

from benchmarks.gateway.messages import Ask
from benchmarks.opcodes.count import Counts, counted
from benchmarks.opcodes.gateway import asked

TIMES = 20
WARM = 30
EVENTS = 64
EVERY_MS = 1.0


async def measure(kind: str) -> tuple[Counts, int]:
    """The counts, and of how many requests (or, for streams, tokens)."""
    streamed = kind == "stream"
    ask = Ask(stream=True, events=EVENTS, every_ms=EVERY_MS) if streamed else Ask()
    async with asked(ask) as once:
        for _ in range(WARM):
            await once()
        return await counted(once, TIMES), TIMES * (EVENTS if streamed else 1)


def report(counts: Counts, of: int, top: int) -> str:
    total, calls = counts.opcodes.total() / of, counts.calls.total() / of
    lines = [f"{total:8.0f} opcodes in {calls:.1f} calls"]
    for name, opcodes in counts.opcodes.most_common(top):
        lines.append(f"{opcodes / of:8.1f} {counts.calls[name] / of:6.1f}  {name}")
    return "\n".join(lines)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("kind", nargs="?", choices=["whole", "stream"], default="whole")
    parser.add_argument("--top", type=int, default=40, help="functions to list (default 40)")
    args = parser.parse_args()
    counts, of = uvloop.run(measure(args.kind))
    what = f"a whole answer, {of} of them" if args.kind == "whole" else f"a token, {of} of them"
    print(f"{what}:\n{report(counts, of, args.top)}")


if __name__ == "__main__":
    main()
