"""`GET /v1/models`: what can be asked for now, routes included."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, Final

from server.core.errors import ModelNotFound
from server.gateway.asked import MAX_MODEL_CHARS
from server.gateway.fleet import Fleet
from server.gateway.routes import Routes
from server.wire.fleet import Resting, WorkerView

MODELS: Final = "/v1/models"


def list_models(fleet: Fleet, routes: Routes, created: int) -> dict[str, Any]:
    """OpenAI's list. `created`: seconds since 1970 when this gateway started."""
    there = offered(fleet, routes)
    data = []
    for name, views in sorted(there.items()):
        rests = [r for m in routes.models_for(name) if (r := fleet.resting.get(m)) is not None]
        data.append(_model(name, views, rests, created))
    return {"object": "list", "data": data}


def told_to(fleet: Fleet, routes: Routes, created: int) -> dict[str, Any]:
    """OpenAI's list, for another Shortline that has joined this one: without what we have from
    others ourselves, which may be that very one."""
    listed = list_models(fleet, routes, created)
    own = {
        name
        for name, views in offered(fleet, routes).items()
        if not all(view.server.startswith("shortline") for view in views)
    }
    return listed | {"data": [model for model in listed["data"] if model["id"] in own]}


def show_model(models: Iterable[dict[str, Any]], name: str) -> dict[str, Any]:
    """Raises `ModelNotFound`."""
    for model in models:
        if model["id"] == name:
            return model
    raise ModelNotFound(f"The model {name[:MAX_MODEL_CHARS]!r} does not exist here.", param="model")


def offered(fleet: Fleet, routes: Routes) -> dict[str, list[WorkerView]]:
    """Every name that can be asked for, with the workers that may serve it."""
    models = fleet.models()
    there = dict(models)
    for route in routes.all():
        names = routes.models_for(route.name)
        views = [_narrowed(view, name) for name in names for view in models.get(name, ())]
        if any(name in models for name in names):
            there[route.name] = views
    return there


def _narrowed(view: WorkerView, model: str) -> WorkerView:
    """As if it had no other model."""
    if not view.facts:
        return view
    length, abilities = view.context_of(model), view.abilities_of(model)
    more: dict[str, Any] = {"context_length": length, "abilities": abilities, "facts": {}}
    return view.model_copy(update=more)


def _model(
    name: str, views: list[WorkerView], rests: list[Resting], created: int
) -> dict[str, Any]:
    parent = next((view.parents[name] for view in views if name in view.parents), None)
    lengths = [length for view in views if (length := view.context_of(name))]
    lengths += [one.context_length for one in rests if one.context_length]
    abilities = {ability for view in views for ability in view.abilities_of(name)}
    abilities |= {ability for one in rests for ability in one.abilities}
    return {
        "id": name,
        "object": "model",
        "created": created,
        "owned_by": "shortline",
        "root": parent or name,
        "parent": parent,
        "context_length": min(lengths, default=None),
        "abilities": sorted(abilities),
        "state": _state(views, rests),
    }


def _state(views: list[WorkerView], rests: list[Resting]) -> str:
    """`asleep`: it is loaded when it is asked for."""
    states = [*(view.state for view in views), *(one.state for one in rests)]
    order = ("ready", "loading", "asleep", "draining", "suspect")
    return next(state for state in order if state in states)
