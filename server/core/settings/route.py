"""Routes: names that clients may ask for which stand for other models."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Annotated, Self

from pydantic import Field, field_validator, model_validator

from server.core.settings.section import Section

ModelName = Annotated[str, Field(min_length=1, max_length=200, pattern=r"^[^\s\x00-\x1f]+$")]


class Member(Section):
    """One model of a group."""

    model: ModelName
    weight: float = Field(default=1.0, gt=0, le=1e6)
    """Its share of the requests, beside those of the others."""


class RouteSettings(Section):
    """An alias, a group or a chain: what a model's name stands for."""

    name: ModelName
    """As clients say it in `model`."""
    to: tuple[Member, ...] = Field(min_length=1, max_length=64)
    """Models that share the requests, as `[a, b]` or `[{model: a, weight: 3}, {model: b}]`."""
    fallback: tuple[ModelName, ...] = Field(default=(), max_length=16)
    """Asked in this order when none of `to` can serve."""

    @field_validator("to", mode="before")
    @classmethod
    def _names_alone(cls, members: object) -> object:
        if isinstance(members, str):
            members = [members]
        if isinstance(members, list | tuple):
            return [{"model": m} if isinstance(m, str) else m for m in members]
        return members

    @model_validator(mode="after")
    def _each_once(self) -> Self:
        models = [*(member.model for member in self.to), *self.fallback]
        twice = sorted({model for model in models if models.count(model) > 1})
        if twice:
            raise ValueError(f"named more than once: {', '.join(twice)}")
        return self

    @property
    def models(self) -> tuple[str, ...]:
        """All that it may end at."""
        return (*(member.model for member in self.to), *self.fallback)


def check_routes(routes: Iterable[RouteSettings]) -> None:
    """Raises `ValueError` for two routes of one name, and for routes that lead in a circle.

    A route that names itself means the model of that name, so it is no circle.
    """
    known: dict[str, RouteSettings] = {}
    for route in routes:
        if route.name in known:
            raise ValueError(f"two routes have the name {route.name}")
        known[route.name] = route
    for name in known:
        _walk(name, known, ())


def _walk(name: str, known: dict[str, RouteSettings], path: tuple[str, ...]) -> None:
    if name in path:
        raise ValueError(f"routes lead in a circle: {' > '.join((*path, name))}")
    route = known.get(name)
    for model in route.models if route else ():
        if model != name:
            _walk(model, known, (*path, name))
