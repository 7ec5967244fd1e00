"""Models that may be there again, though nobody serves them now."""

from __future__ import annotations

from collections.abc import Iterable

from server.wire.fleet import WorkerView


class Known:
    """Whoever offered one may come back, unless an operator has let it leave for good."""

    def __init__(self, expected: Iterable[str]) -> None:
        self._always = set(expected)
        self._offered: dict[str, set[str]] = {}
        """By the name of a worker's process."""

    def learn(
        self, workers: Iterable[WorkerView], resting: Iterable[str], dismissed: Iterable[str]
    ) -> None:
        """`dismissed`: names of processes that come back no more; those that still end what they
        have begun are among `workers`."""
        self._always.update(resting)
        for name in dismissed:
            self._offered.pop(name, None)
        for worker in workers:
            named = self._offered.setdefault(worker.name, set()) if worker.name else self._always
            named.update(worker.models)

    def __contains__(self, model: str) -> bool:
        return model in self._always or any(model in some for some in self._offered.values())
