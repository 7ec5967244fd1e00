from __future__ import annotations

import pytest

from server.app.catalogue import FleetCatalogue
from server.app.fleet.known import Known, Listed
from server.core.errors import BadRequest, ModelNotFound, Unavailable
from server.features.chat.catalogue import ChatModel
from server.wire.fleet import FleetView, WorkerView


def known(**changes: object) -> Known:
    fields: dict[str, object] = {
        "address": "http://127.0.0.1:1",
        "models": ("m",),
        "context_length": 64,
    }
    view = FleetView(workers=(WorkerView.model_validate(fields | changes),))
    return Known().seeing(view)


async def test_a_model_of_ours_is_found_and_repeats_itself() -> None:
    catalogue = FleetCatalogue(lambda: known(), ())
    assert await catalogue.resolve("m") == ChatModel("m", 64, repeats=True)
    assert await catalogue.resolve("") == ChatModel("m", 64, repeats=True)


async def test_models_of_others_may_say_something_else_next_time() -> None:
    for changes in ({"kind": "online_api"}, {"protocol": "fastchat"}):
        catalogue = FleetCatalogue(lambda changes=changes: known(**changes), ())  # type: ignore[misc]
        assert not (await catalogue.resolve("m")).repeats


async def test_a_model_that_went_down_is_still_found() -> None:
    states = [known()]
    catalogue = FleetCatalogue(lambda: states[-1], ())
    await catalogue.resolve("m")
    states.append(Known(view=FleetView()))
    assert await catalogue.resolve("m") == ChatModel("m", 64, repeats=True)


async def test_an_expected_model_is_found_before_it_is_up() -> None:
    catalogue = FleetCatalogue(lambda: Known(view=FleetView()), ("later",))
    assert await catalogue.resolve("later") == ChatModel("later")
    assert await catalogue.resolve("") == ChatModel("later")


async def test_what_nobody_offers_is_not_found() -> None:
    catalogue = FleetCatalogue(lambda: known(), ())
    with pytest.raises(ModelNotFound):
        await catalogue.resolve("x")


async def test_a_model_that_cannot_chat_is_refused() -> None:
    catalogue = FleetCatalogue(lambda: known(abilities=("embeddings",)), ())
    with pytest.raises(BadRequest):
        await catalogue.resolve("m")
    with pytest.raises(Unavailable):
        await catalogue.resolve("")


async def test_before_anybody_spoke_nobody_can_tell() -> None:
    with pytest.raises(Unavailable):
        await FleetCatalogue(Known, ()).resolve("m")


async def test_models_of_a_gateway_on_its_own_are_found() -> None:
    listed = {"a": Listed(("chat",), 8), "e": Listed(("embeddings",), None)}
    catalogue = FleetCatalogue(lambda: Known(listed=listed), ())
    assert await catalogue.resolve("a") == ChatModel("a", 8)
    with pytest.raises(BadRequest):
        await catalogue.resolve("e")
