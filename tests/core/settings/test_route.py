"""What may be said of a route."""

from __future__ import annotations

import pytest
from pydantic import ValidationError

from server.core.settings.route import Member, RouteSettings, check_routes


def route(name: str, *to: str, fallback: tuple[str, ...] = ()) -> RouteSettings:
    return RouteSettings.model_validate({"name": name, "to": list(to), "fallback": fallback})


def test_a_name_alone_is_a_member_of_weight_one() -> None:
    assert RouteSettings.model_validate({"name": "gpt-4o", "to": "mini"}).to == (
        Member(model="mini"),
    )


@pytest.mark.parametrize(
    "wrong",
    [
        {"name": "a", "to": []},
        {"name": "a", "to": [{"model": "b", "weight": 0}]},
        {"name": "a", "to": [{"model": "b", "weight": float("nan")}]},
        {"name": "a", "to": ["b", "b"]},
        {"name": "a", "to": ["b"], "fallback": ["b"]},
        {"name": "", "to": ["b"]},
        {"name": "a b", "to": ["b"]},
        {"name": "a\x00", "to": ["b"]},
        {"name": "a", "to": 7},
        {"name": "a", "to": ["b"], "unknown": 1},
    ],
)
def test_what_means_nothing_is_refused(wrong: dict[str, object]) -> None:
    with pytest.raises(ValidationError):
        RouteSettings.model_validate(wrong)


def test_a_circle_is_told_with_its_way() -> None:
    circle = [route("a", "b"), route("b", "x", fallback=("c",)), route("c", "a")]
    with pytest.raises(ValueError, match="a > b > c > a"):
        check_routes(circle)


def test_a_route_over_the_model_of_its_own_name_is_no_circle() -> None:
    check_routes([route("a", "a", fallback=("b",))])


def test_a_route_that_stands_for_nothing_but_itself_is_refused() -> None:
    with pytest.raises(ValueError, match="the route a stands for nothing but itself"):
        check_routes([route("a", "a")])


def test_all_that_is_wrong_is_told_at_once_and_each_circle_once() -> None:
    routes = [route("a", "b"), route("b", "a"), route("s", "s"), route("a", "x")]
    routes += [route("c", "d", fallback=("a",)), route("d", "e", fallback=("c",))]
    with pytest.raises(ValueError, match="circle") as told:
        check_routes(routes)
    assert str(told.value).split("; ") == [
        "the route s stands for nothing but itself",
        "two routes have the name a",
        "routes lead in a circle: a > b > a",
        "routes lead in a circle: c > d > c",
    ]


def test_many_ways_to_one_model_are_looked_at_once_each() -> None:
    """Two to the 60th ways lead through them."""
    check_routes(
        [route(f"r{n}", f"r{n + 1}", f"s{n + 1}") for n in range(60)]
        + [route(f"s{n}", f"r{n + 1}", f"s{n + 1}") for n in range(60)]
    )


def test_where_a_model_is_named_twice_is_told_beside_other_mistakes() -> None:
    wrong = {"name": "a b", "to": ["b"], "fallback": ["b"]}
    with pytest.raises(ValidationError) as told:
        RouteSettings.model_validate(wrong)
    assert [detail["loc"] for detail in told.value.errors()] == [("name",), ("fallback",)]


def test_two_routes_of_one_name_are_one_too_many() -> None:
    with pytest.raises(ValueError, match="two routes"):
        check_routes([route("a", "b"), route("a", "c")])
