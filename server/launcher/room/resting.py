"""What is told of a model that has no worker now. A plain function."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from server.core.settings import ModelSettings
from server.launcher.running.keeper import Keeper
from server.wire.fleet import Ability, Resting

_ABILITIES: dict[str, tuple[Ability, ...]] = {
    "transformers": ("chat", "completions"),
    "embeddings": ("embeddings",),
    "rerank": ("rerank",),
}
"""Of engines whose model was never loaded yet; of others nobody knows."""


@dataclass(frozen=True, slots=True)
class Trouble:
    why: str
    until: float
    """It is not tried again any sooner."""


def resting_of(
    model: ModelSettings,
    keepers: Sequence[Keeper],
    shape: Resting | None,
    trouble: Trouble | None,
    now: float,
) -> Resting | None:
    """`keepers`: those of its replicas; `shape`: what it can do, once that was seen. None: it has a
    worker, or it gets none by being asked for."""
    if any(k.state.routing == "ready" and not k.retiring for k in keepers):
        return None
    mine = [k for k in keepers if _comes_back(k, trouble) and not k.held and not k.plan.drains]
    if not mine:
        return None
    loading = next((k for k in mine if k.waking), None)
    shape = shape or Resting(
        model=model.name,
        abilities=_ABILITIES.get(model.engine, ()),
        context_length=model.context_length,
    )
    return shape.model_copy(
        update={
            "state": "loading" if loading else "asleep",
            "detail": loading.state.detail if loading else "",
            "done": loading.state.done if loading else None,
            "trouble": trouble.why if trouble else "",
            "retry": trouble is not None and now >= trouble.until,
            "places": len(keepers) * (model.slots + model.queue),
        }
    )


def _comes_back(keeper: Keeper, trouble: Trouble | None) -> bool:
    if keeper.dozes or keeper.waking or keeper.retiring:
        return True
    return trouble is not None and keeper.state.status == "quarantined"
