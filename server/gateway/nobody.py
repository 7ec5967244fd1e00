"""Why no worker can take a request now, in words for its client."""

from __future__ import annotations

from collections.abc import Collection
from typing import Final

from server.core.errors import (
    BadRequest,
    ModelNotFound,
    Overloaded,
    ProviderRefused,
    RequestError,
    Unavailable,
)
from server.core.limits import RETRY_AFTER_MAX_S, RETRY_AFTER_S
from server.gateway.sight.faults import WORKER_REFUSED
from server.gateway.worker import Worker
from server.wire.fleet import Ability

MAX_NAMED: Final = 5
"""Of the models that a route leads to, so that the message can be read."""


def no_such_model(model: str) -> ModelNotFound:
    return ModelNotFound(
        f"The model {model!r} does not exist here; GET /v1/models lists those that do.",
        param="model",
    )


def no_such_targets(name: str, models: Collection[str]) -> ModelNotFound:
    """Of the route `name`: `models` are all that it leads to, and nobody ever offered one."""
    named = ", ".join(map(repr, list(models)[:MAX_NAMED]))
    more = f" and {len(models) - MAX_NAMED} more" if len(models) > MAX_NAMED else ""
    return ModelNotFound(
        f"{name!r} stands for {named}{more}, and no such model exists here; "
        "GET /v1/models lists those that do.",
        param="model",
    )


def why_none(
    model: str, ability: Ability, workers: Collection[Worker], but: frozenset[str], now: float
) -> RequestError:
    """`workers`: all that serve `model`, none of which takes it. `but`: those that were asked."""
    able = [worker for worker in workers if ability in worker.view.abilities_of(model)]
    if workers and not able:
        return BadRequest(
            f"The model {model!r} does not serve {ability}.",
            param="model",
            code="unsupported_model",
        )
    up = [one for one in able if one.view.state == "ready" and one.view.address not in but]
    if workers and all(one.view.state == "draining" for one in able):
        return Unavailable(
            f"An operator has taken every worker for {model!r} out of service for now.",
            retry_after_s=RETRY_AFTER_MAX_S,
        )
    if not up:
        return Unavailable(
            f"No worker for {model!r} is up at the moment; try again shortly.",
            retry_after_s=RETRY_AFTER_S,
        )
    breakers = [worker.breaker_of(model) for worker in up]
    usable = sum(breaker.lets(now) for breaker in breakers)
    if not usable and all(breaker.trouble == "denied" for breaker in breakers):
        return ProviderRefused(
            f"No worker for {model!r} is let in where it has to ask, or lets this gateway in; "
            "the operator must check the keys.",
            code=WORKER_REFUSED,
        )
    if not usable:
        return Unavailable(
            f"The workers for {model!r} keep failing and rest for a moment; try again shortly.",
            retry_after_s=min(breaker.rests_for(now) for breaker in breakers),
        )
    return Overloaded(
        f"Every worker for {model!r} is full ({usable} of them); try again shortly.",
        retry_after_s=RETRY_AFTER_S,
    )
