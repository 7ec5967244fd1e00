"""`GET /v1/models`: what can be asked for now, routes included."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from server.core.errors import ModelNotFound
from server.gateway.fleet import Fleet
from server.gateway.routes import Routes
from server.wire.fleet import WorkerView


def list_models(fleet: Fleet, routes: Routes, created: int) -> dict[str, Any]:
    """OpenAI's list. `created`: seconds since 1970 when this gateway started."""
    there = offered(fleet, routes)
    data = [_model(name, views, created) for name, views in sorted(there.items())]
    return {"object": "list", "data": data}


def show_model(models: Iterable[dict[str, Any]], name: str) -> dict[str, Any]:
    """Raises `ModelNotFound`."""
    for model in models:
        if model["id"] == name:
            return model
    raise ModelNotFound(f"The model {name!r} does not exist here.", param="model")


def offered(fleet: Fleet, routes: Routes) -> dict[str, list[WorkerView]]:
    """Every name that can be asked for, with the workers that may serve it."""
    models = fleet.models()
    there = dict(models)
    for route in routes.all():
        views = [view for name in routes.models_for(route.name) for view in models.get(name, ())]
        if views:
            there[route.name] = views
    return there


def _model(name: str, views: list[WorkerView], created: int) -> dict[str, Any]:
    parent = next((view.parents[name] for view in views if name in view.parents), None)
    lengths = [view.context_length for view in views if view.context_length]
    return {
        "id": name,
        "object": "model",
        "created": created,
        "owned_by": "shortline",
        "root": parent or name,
        "parent": parent,
        "context_length": min(lengths, default=None),
        "abilities": sorted({ability for view in views for ability in view.abilities}),
    }
