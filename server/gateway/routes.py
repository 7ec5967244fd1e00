"""Which models may serve what a client asked for: aliases, weighted groups, fallback chains."""

from __future__ import annotations

from collections.abc import Container, Iterable, Mapping
from random import random

from server.core.settings.route import Member, RouteSettings, check_routes


class Routes:
    """Routes of the config, and over them those that were set while it runs."""

    def __init__(self, configured: Iterable[RouteSettings] = ()) -> None:
        self._configured = {route.name: route for route in configured}
        self._known = dict(self._configured)

    def set(self, changed: Iterable[RouteSettings]) -> None:
        """`changed` are all that were set at run time. Raises `ValueError`, and changes nothing."""
        self._known = self.check(changed)

    def check(self, changed: Iterable[RouteSettings]) -> dict[str, RouteSettings]:
        """What `set` would make of them, by name. Raises `ValueError`."""
        known = self._configured | {route.name: route for route in changed}
        check_routes(known.values())
        return known

    def changed(self) -> list[RouteSettings]:
        """Those that were set at run time."""
        return [route for route in self._known.values() if not self.is_configured(route)]

    def is_configured(self, route: RouteSettings) -> bool:
        return self._configured.get(route.name) is route

    def all(self) -> list[RouteSettings]:
        return list(self._known.values())

    def models_for(self, name: str) -> tuple[str, ...]:
        """The models to ask, in order; `name` itself when it is no route."""
        route = self._known.get(name)
        if route is None:
            return (name,)
        return tuple(_ends(route, self._known))

    def missing(self, route: RouteSettings, there: Container[str]) -> list[str]:
        """The models that `route` leads to in the end which are not `there`."""
        return sorted(model for model in _ends(route, self._known) if model not in there)


def _ends(route: RouteSettings, known: Mapping[str, RouteSettings]) -> dict[str, None]:
    """The models that `route` leads to, in the order in which they are asked."""
    found: dict[str, None] = {}
    _collect(route, known, found, set())
    return found


def _collect(
    route: RouteSettings,
    known: Mapping[str, RouteSettings],
    found: dict[str, None],
    passed: set[str],
) -> None:
    """`passed`: routes whose models are found; a second way there leads to nothing new."""
    passed.add(route.name)
    for model in (*drawn(route.to), *route.fallback):
        inner = known.get(model)
        if inner is None or model == route.name:
            found[model] = None
        elif model not in passed:
            _collect(inner, known, found, passed)


def drawn(members: tuple[Member, ...]) -> list[str]:
    """All members, each place drawn by weight from those that are left."""
    if len(members) == 1:
        return [members[0].model]
    # Efraimidis and Spirakis 2006: the largest of u^(1/w) is a draw in proportion to w.
    return [m.model for m in sorted(members, key=lambda m: random() ** (1 / m.weight))][::-1]
