"""Which worker FastChat's clients are sent to."""

from __future__ import annotations

from collections.abc import Iterator

from server.controller.registry import Entry, Registry
from server.core.dispatch import Candidate, Method, choose

ONLINE = "online_api"
"""The one kind of worker that does not speak FastChat's worker protocol."""


class Picker:
    def __init__(self, registry: Registry, method: Method) -> None:
        self._registry = registry
        self._method = method

    def workers(self) -> Iterator[Entry]:
        """Those that FastChat's clients can use."""
        return (entry for entry in self._registry.ready() if entry.view.kind != ONLINE)

    def pick(self, model: str) -> Entry | None:
        """The worker for one request. Whoever sends it there counts it in `handed_out`."""
        entries = {e.view.address: e for e in self.workers() if model in e.view.models}
        chosen = choose(self._method, [_candidate(entry) for entry in entries.values()])
        return entries[chosen.address] if chosen else None


def queue_length(entry: Entry) -> int:
    load = entry.view.load
    return load.running + load.waiting + entry.handed_out


def _candidate(entry: Entry) -> Candidate:
    view = entry.view
    return Candidate(view.address, others=queue_length(entry), speed=view.speed, slots=view.slots)
