"""Where one request may go: the models that may serve it, their workers, and how often it may try.

Routes say which models, Fleet which worker, RetryBudget whether another try is affordable.
"""

from __future__ import annotations

from collections.abc import Sequence

from server.core.errors import (
    BadRequest,
    ModelNotFound,
    Overloaded,
    ProviderRefused,
    RequestError,
    Unavailable,
)
from server.core.limits import MAX_TRIES, TRIES_PER_REQUEST
from server.gateway.asked import Asked
from server.gateway.customers.grant import Grant
from server.gateway.customers.whose import Whose
from server.gateway.fleet import Fleet
from server.gateway.nobody import no_such_targets
from server.gateway.retry_budget import RetryBudget
from server.gateway.sight.record import Record
from server.gateway.worker import NOTHING, Lease


class Journey:
    """`tries`: how many workers were sent the request."""

    __slots__ = (
        "_budget", "_fleet", "_max_tries", "_models", "affinity", "asked", "grant", "lane",
        "lease", "passed", "record", "refused", "tries", "whose",
    )  # fmt: skip

    def __init__(
        self,
        fleet: Fleet,
        budget: RetryBudget,
        models: Sequence[str],
        asked: Asked,
        record: Record,
        grant: Grant,
    ) -> None:
        """`record`: where it is noted which models were passed over."""
        self._fleet = fleet
        self._budget = budget
        self._models = models
        self._max_tries = min(TRIES_PER_REQUEST + len(models) - 1, MAX_TRIES)
        self.asked = asked
        self.record = record
        self.grant = grant
        self.lane = grant.lane
        self.whose: Whose = grant.meters.whose
        self.affinity: bytes | None = None
        """What belongs together should meet the same worker."""
        self.lease: Lease | None = None
        """The last one."""
        self.tries = 0
        self.passed: list[str] = []
        """Models that could not be asked, at the last try."""
        self.refused = False
        """Another worker was there, but the budget of retries was spent."""
        budget.earn()

    def take(self) -> Lease:
        """A place at the next worker. Raises what `Fleet.take` does; where several models may
        serve, none of which can, it is the most hopeful of their reasons."""
        if self.tries:
            self._budget.spend()
        models, asked = self._models, self.asked.model
        if models[0] == asked and len(models) == 1:
            return self._taken(asked)
        return self._taken_from_any()

    def _taken_from_any(self) -> Lease:
        """Where a route leads."""
        reasons: list[RequestError] = []
        self.passed = []
        for model in self._models:
            try:
                return self._taken(model)
            except (BadRequest, ModelNotFound, Overloaded, ProviderRefused, Unavailable) as reason:
                reasons.append(reason)
                self.passed.append(model)
                self.record.note(f"{model!r} was passed over: {reason.message}")
        if all(isinstance(reason, ModelNotFound) for reason in reasons):
            raise no_such_targets(self.asked.model, self._models)
        raise most_hopeful(reasons)

    def _taken(self, model: str) -> Lease:
        last = self.lease
        self.lease = lease = self._fleet.take(
            model,
            self.asked.ability,
            self.record.request_id,
            lane=self.lane,
            but=NOTHING if last is None else last.tried,
            affinity=self.affinity,
            whose=self.whose,
        )
        self.tries += 1
        return lease

    @property
    def models(self) -> Sequence[str]:
        """Those that may serve it, in the order in which they are asked."""
        return self._models

    @property
    def been(self) -> frozenset[str]:
        """Addresses that it was sent to."""
        return NOTHING if self.lease is None else self.lease.tried

    @property
    def may_wait(self) -> bool:
        """Whether its model is being unloaded or loaded: a worker that comes back, or comes in its
        place, may be asked."""
        there = self.lease is not None and self.lease.model in self._fleet.resting
        return there and self.tries < self._max_tries

    def not_sent(self) -> None:
        """The worker could not be reached, so nothing is asked twice."""
        self.tries -= 1

    @property
    def may_try_again(self) -> bool:
        """Whether another worker may be asked, and would be there."""
        but = NOTHING if self.lease is None else self.lease.tried
        if self.tries >= self._max_tries or not any(
            self._fleet.offers(model, self.asked.ability, self.lane, self.whose, but)
            for model in self._models
        ):
            return False
        if not self.tries:
            return True  # nobody was sent it yet, so that asks nothing twice
        self.refused = self.refused or not self._budget.allow()
        return not self.refused

    def stays_with(self, model: str) -> bool:
        """From here on only workers of `model` will do. Whether one more may be asked."""
        self._models = (model,)
        self._max_tries = self.tries + 1
        return self.may_try_again

    @property
    def is_last(self) -> bool:
        """Whether the worker that it is at is the last one that it may be sent to."""
        return self.tries >= self._max_tries


def most_hopeful(reasons: Sequence[RequestError]) -> RequestError:
    """Of the reasons why several models cannot serve: wait a little, come back, or give up."""
    for kind in (Overloaded, Unavailable):
        for reason in reasons:
            if isinstance(reason, kind):
                return reason
    return next(reason for reason in reasons if not isinstance(reason, ModelNotFound))
