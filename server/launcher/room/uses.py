"""When each worker was last asked, as the controller tells of its load."""

from __future__ import annotations

from dataclasses import dataclass

from server.wire.fleet import WorkerView


@dataclass(slots=True)
class Use:
    at: float
    """When it was seen to have something to do, or began to serve."""
    busy: bool = False
    mark: tuple[str, int, int] = ("", 0, 0)
    """Moves with every request."""


class Uses:
    def __init__(self) -> None:
        self._by_name: dict[str, Use] = {}

    def see(self, name: str, worker: WorkerView, now: float) -> None:
        load = worker.load
        busy = load.running + load.waiting > 0
        mark = (worker.generation, load.served, load.cancelled)
        use = self._by_name.get(name)
        if use is None or busy or use.mark != mark:
            self._by_name[name] = Use(now, busy, mark)
        else:
            use.busy = False

    def last(self, name: str) -> float:
        """0: never, as far as anybody knows."""
        use = self._by_name.get(name)
        return use.at if use is not None else 0.0

    def is_idle(self, name: str) -> bool:
        use = self._by_name.get(name)
        return use is not None and not use.busy

    def idle_s(self, name: str, now: float) -> float:
        """0 while it is busy, and while nobody knows."""
        return now - self.last(name) if self.is_idle(name) else 0.0
