"""Routes: names that clients may ask for which stand for other models."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Annotated

from pydantic import Field, ValidationInfo, field_validator

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

    @field_validator("to")
    @classmethod
    def _members_once(cls, to: tuple[Member, ...]) -> tuple[Member, ...]:
        _demand_once([member.model for member in to])
        return to

    @field_validator("fallback")
    @classmethod
    def _each_once(cls, fallback: tuple[str, ...], info: ValidationInfo) -> tuple[str, ...]:
        _demand_once([*(member.model for member in info.data.get("to", ())), *fallback])
        return fallback

    @property
    def models(self) -> tuple[str, ...]:
        """All that it may end at."""
        return (*(member.model for member in self.to), *self.fallback)


def check_routes(routes: Iterable[RouteSettings]) -> None:
    """Raises `ValueError` for two routes of one name, for one that stands for nothing but itself,
    and for those that lead in a circle; it tells of all of them.

    A route that names itself beside others means the model of that name, so it is no circle.
    """
    known: dict[str, RouteSettings] = {}
    wrong = []
    for route in routes:
        if route.name in known:
            wrong.append(f"two routes have the name {route.name}")
        elif set(route.models) == {route.name}:
            wrong.append(f"the route {route.name} stands for nothing but itself")
        known.setdefault(route.name, route)
    done: set[str] = set()
    for name in known:
        for way in _circles(name, known, (), done):
            wrong.append(f"routes lead in a circle: {' > '.join(way)}")
    if wrong:
        raise ValueError("; ".join(wrong))


def _circles(
    name: str, known: dict[str, RouteSettings], path: tuple[str, ...], done: set[str]
) -> Iterator[tuple[str, ...]]:
    """Each way on from `name`, where `path` has led, that comes back to where it has been.

    `done`: names whose ways are all told; each name is looked at once.
    """
    if name in path:
        yield (*path[path.index(name) :], name)
    elif name in known and name not in done:
        for model in known[name].models:
            if model != name:
                yield from _circles(model, known, (*path, name), done)
        done.add(name)


def _demand_once(models: list[str]) -> None:
    twice = sorted({model for model in models if models.count(model) > 1})
    if twice:
        raise ValueError(f"named more than once: {', '.join(twice)}")
