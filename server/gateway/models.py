"""`GET /v1/models`: what can be asked for now."""

from __future__ import annotations

from typing import Any

from server.core.errors import ModelNotFound
from server.gateway.fleet import Fleet
from server.wire.fleet import WorkerView


def list_models(fleet: Fleet, created: int) -> dict[str, Any]:
    """OpenAI's list. `created`: seconds since 1970 when this gateway started."""
    data = [_model(name, views, created) for name, views in fleet.models().items()]
    return {"object": "list", "data": data}


def show_model(fleet: Fleet, name: str, created: int) -> dict[str, Any]:
    """Raises `ModelNotFound`."""
    views = fleet.models().get(name)
    if views is None:
        raise ModelNotFound(f"The model {name!r} does not exist here.", param="model")
    return _model(name, views, created)


def _model(name: str, views: list[WorkerView], created: int) -> dict[str, Any]:
    lengths = [view.context_length for view in views if view.context_length]
    return {
        "id": name,
        "object": "model",
        "created": created,
        "owned_by": "shortline",
        "context_length": min(lengths, default=None),
        "abilities": sorted({ability for view in views for ability in view.abilities}),
    }
