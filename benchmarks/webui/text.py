"""Markdown of the kind that models write, in any length: the same every time."""

from __future__ import annotations

from itertools import count

SECTION = """\
## Part {n}: a queue with *one* worker

A request waits while the worker is busy. With an arrival rate of $\\lambda = {n}.5$ and a service
rate of $\\mu = {m}$ the load is $\\rho = \\lambda / \\mu$, and **Little's law** says[^{n}]

$$
L = \\lambda W, \\qquad W = \\frac{{1}}{{\\mu - \\lambda}}, \\qquad
\\sum_{{k=0}}^{{{n}}} \\rho^k = \\frac{{1 - \\rho^{{{m}}}}}{{1 - \\rho}}
$$

1. Count what is *in flight*, not what was finished:
   - a request that was just sent counts at once;
   - one that was cut off is given back, see [the policy](https://example.org/policy/{n}).
2. Choose the worker that would start first.
   1. With equal queues a random one is taken.
   2. `speed` makes a fast worker's queue count less.
3. ~~Never~~ Rarely ask twice.

```python
@dataclass(frozen=True, slots=True)
class Candidate{n}:
    address: str
    mine: int = {n}
    speed: float = 1.0

    def wait_s(self) -> float:
        \"\"\"Until a request sent now would begin.\"\"\"
        return (self.mine + 1) / max(self.speed, 1e-9)


def shortest(candidates: list[Candidate{n}]) -> Candidate{n} | None:
    return min(candidates, key=lambda one: one.wait_s(), default=None)
```

| worker | slots | in flight | p50 ms | note |
| :--- | ---: | ---: | ---: | :---: |
| `a{n}` | 4 | {n} | 12.{n} | ready |
| `b{n}` | 8 | 3 | 9.7 | **busy** |
| `c{n}` | 1 | 0 | 41.0 | $\\rho < {m}$ |

> Text in quotes, with `code`, and 等待队列 in two scripts.

- [x] measured
- [ ] believed

```ts
const rows = report.processes.filter((one) => one.role === 'model_worker' && one.slots! > {n})
console.log(rows.map(({{ name, slots }}) => `${{name}}: ${{slots}}`).join('\\n'))
```

[^{n}]: For part {n}, in the long run.

"""


def rich(chars: int, *, first: int = 1) -> str:
    """Whole sections, until there are `chars` characters; numbered from `first`."""
    text = ""
    for n in count(first):
        if len(text) >= chars:
            return text
        text += SECTION.format(n=n, m=n + 1)
    raise AssertionError


def ending(number: int) -> str:
    """The last line of a message, to be looked for."""
    return f"End of message {number}."
