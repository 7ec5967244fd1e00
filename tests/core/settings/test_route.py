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


def test_two_routes_of_one_name_are_one_too_many() -> None:
    with pytest.raises(ValueError, match="two routes"):
        check_routes([route("a", "b"), route("a", "c")])
