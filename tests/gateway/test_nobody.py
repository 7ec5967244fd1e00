"""What a client hears when nobody can be asked."""

from __future__ import annotations

from server.core.errors import ModelNotFound, Unavailable
from server.gateway.nobody import no_such_targets, why_none
from server.gateway.worker import Worker
from tests.gateway.conftest import view

A, B = "http://127.0.0.1:1", "http://127.0.0.1:2"


def reason(*states: str) -> Unavailable:
    workers = [
        Worker(view(at, state=state), "gw") for at, state in zip((A, B), states, strict=False)
    ]
    found = why_none("m", "chat", workers, frozenset(), now=0.0)
    assert isinstance(found, Unavailable)
    return found


def test_where_an_operator_took_all_out_of_service_nobody_is_told_to_try_again_shortly() -> None:
    told = reason("draining", "draining")
    assert told.message == "An operator has taken every worker for 'm' out of service for now."
    assert told.retry_after_s == 60


def test_where_one_may_come_back_by_itself_it_is_soon() -> None:
    for states in ((), ("suspect",), ("suspect", "draining")):
        assert "try again shortly" in reason(*states).message
        assert reason(*states).retry_after_s == 1


def test_a_route_to_nowhere_names_what_is_missing_and_says_how_to_see_what_there_is() -> None:
    told = no_such_targets("best", ["a", "b"])
    assert isinstance(told, ModelNotFound)
    assert told.message == (
        "'best' stands for 'a', 'b', and no such model exists here; "
        "GET /v1/models lists those that do."
    )
    assert (told.code, told.param) == ("model_not_found", "model")


def test_of_very_many_a_few_are_named() -> None:
    told = no_such_targets("best", [f"m{n}" for n in range(64)])
    assert "'m4' and 59 more, and no such model" in told.message
