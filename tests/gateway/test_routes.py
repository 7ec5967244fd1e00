"""Aliases, groups and chains."""

from __future__ import annotations

from collections import Counter

import pytest
from hypothesis import given
from hypothesis import strategies as st

from server.core.settings.route import RouteSettings
from server.gateway.routes import Routes


def route(name: str, to: object, *fallback: str) -> RouteSettings:
    return RouteSettings.model_validate({"name": name, "to": to, "fallback": fallback})


def test_what_is_no_route_is_a_model() -> None:
    assert Routes().models_for("m") == ("m",)


def test_an_alias_stands_for_its_model() -> None:
    assert Routes([route("gpt-4o", "mini")]).models_for("gpt-4o") == ("mini",)


def test_fallbacks_come_after_every_member_in_their_order() -> None:
    routes = Routes([route("r", ["a", "b"], "c", "d")])
    for _ in range(20):
        models = routes.models_for("r")
        assert set(models[:2]) == {"a", "b"}
        assert models[2:] == ("c", "d")


def test_a_group_draws_by_weight() -> None:
    routes = Routes([route("r", [{"model": "a", "weight": 3}, {"model": "b", "weight": 1}])])
    firsts = Counter(routes.models_for("r")[0] for _ in range(4000))
    assert firsts["a"] / 4000 == pytest.approx(0.75, abs=0.04)


def test_routes_lead_to_routes() -> None:
    routes = Routes([route("a", "b", "m"), route("b", "k", "m")])
    assert routes.models_for("a") == ("k", "m")


def test_what_is_set_at_run_time_stands_over_the_config_and_goes_again() -> None:
    routes = Routes([route("r", "a")])
    routes.set([route("r", "b"), route("s", "c")])
    assert routes.models_for("r") == ("b",)
    routes.set([])
    assert (routes.models_for("r"), routes.models_for("s")) == (("a",), ("s",))


def test_a_change_that_makes_a_circle_changes_nothing() -> None:
    routes = Routes([route("r", "a")])
    with pytest.raises(ValueError, match="circle"):
        routes.set([route("a", "r")])
    assert routes.models_for("r") == ("a",)


def test_what_is_missing_is_what_nobody_offers_at_the_end_of_every_way() -> None:
    routes = Routes([route("inner", ["b", "c"]), route("m", "m", "d")])
    outer = route("outer", "a", "inner", "m")
    assert routes.missing(outer, {"a", "c", "inner"}) == ["b", "d", "m"]
    assert routes.missing(outer, {"a", "b", "c", "d", "m"}) == []


def test_many_ways_to_one_model_are_gone_once() -> None:
    """Two to the 60th ways lead to the end."""
    steps = [route(f"{side}{n}", [f"r{n + 1}", f"s{n + 1}"]) for n in range(60) for side in "rs"]
    assert set(Routes(steps).models_for("r0")) == {"r60", "s60"}


@given(st.lists(st.floats(1e-3, 1e6), min_size=1, max_size=20))
def test_every_member_has_a_place_whatever_its_weight(weights: list[float]) -> None:
    to = [{"model": f"m{i}", "weight": weight} for i, weight in enumerate(weights)]
    models = Routes([route("r", to)]).models_for("r")
    assert sorted(models) == sorted(member["model"] for member in to)  # type: ignore[type-var]
