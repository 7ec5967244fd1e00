"""Which model a question goes to."""

from __future__ import annotations

from collections.abc import Callable, Iterable

from server.app.fleet.known import Known
from server.app.fleet.models import model_states
from server.core.errors import BadRequest, ModelNotFound, Unavailable
from server.features.chat.catalogue import ChatModel
from server.wire.fleet import WorkerView


class FleetCatalogue:
    """Remembers models that it saw once, so that one that is down for the moment is still found."""

    def __init__(self, known: Callable[[], Known], expected: Iterable[str]) -> None:
        self._known = known
        self._expected = tuple(expected)
        self._seen: dict[str, ChatModel] = {}

    def learn(self) -> None:
        """Remember what can chat now."""
        known = self._known()
        for worker in known.workers:
            for name in worker.models:
                if "chat" in worker.abilities_of(name):
                    self._seen[name] = ChatModel(name, worker.context_of(name), _repeats(worker))
        for name, listed in known.listed.items():
            if "chat" in listed.abilities:
                self._seen[name] = ChatModel(name, listed.context_length)

    async def resolve(self, name: str) -> ChatModel:
        self.learn()
        known = self._known()
        if not name:
            return self._first(known)
        if name in self._seen:
            return self._seen[name]
        if name in known.mute or name in known.listed:
            raise BadRequest(f"The model {name!r} cannot chat.", param="model")
        if name in self._expected:
            return ChatModel(name)
        if known.view is None and not known.listed:
            raise Unavailable("Nobody can tell yet which models there are.", retry_after_s=1)
        raise ModelNotFound(f"The model {name!r} does not exist here.", param="model")

    def _first(self, known: Known) -> ChatModel:
        """One that can answer now; or else one that could."""
        states = model_states(known, self._expected)
        for wanted in ("ready", "loading", "down"):
            for state in states:
                if state.state == wanted:
                    return self._seen.get(state.id, ChatModel(state.id))
        raise Unavailable("There is no model here that can chat.", retry_after_s=1)


def _repeats(worker: WorkerView) -> bool:
    """Our own engines draw from the seed alone."""
    return worker.kind == "model_worker" and worker.protocol == "openai"
