"""Requests made from an OpenAPI document, sent to a process that runs.

The requests are the same in every run: those that cover each part of the schemas, and random ones.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from typing import Any

import requests
from hypothesis import HealthCheck, settings
from schemathesis import Case

from tests.system.refusals import demand_served_or_refused

ANSWER_S = 20.0


def bounded(examples: int) -> settings:
    """`examples`: of each operation, beside those that cover its schemas."""
    return settings(
        max_examples=examples,
        derandomize=True,
        database=None,
        deadline=None,
        suppress_health_check=list(HealthCheck),
    )


@dataclass
class Target:
    """One process; `headers` open its port."""

    url: str
    session: requests.Session
    headers: dict[str, str]
    wished: tuple[str, ...] = ()
    """Codes of errors that a request may bring upon itself."""
    served: Counter[str] = field(default_factory=Counter)
    """Requests that were not refused, by operation."""

    def ask(self, case: Case[Any]) -> requests.Response:
        """The answer, which is no fault of ours."""
        sent = case.as_transport_kwargs(base_url=self.url, headers=self.headers)
        answer = self.session.request(**sent, timeout=ANSWER_S, allow_redirects=False)
        demand_served_or_refused(answer, asked=repr(sent), wished=self.wished)
        if answer.status_code < 400:
            self.served[f"{case.method} {case.operation.path}"] += 1
        return answer

    def get(self, path: str) -> Any:
        answer = self.session.get(self.url + path, headers=self.headers, timeout=ANSWER_S)
        assert answer.status_code == 200, answer.text
        return answer.json()


def operations(document: dict[str, Any]) -> set[str]:
    """As they are counted in `Target.served`."""
    paths = document["paths"].items()
    return {f"{method.upper()} {path}" for path, methods in paths for method in methods}
