from __future__ import annotations

from dataclasses import replace

import pytest

from server.launcher.running.desired import Desired
from server.launcher.screen.banner import ready_block
from server.launcher.setup.home import Home
from tests.launcher.fleet import PROVIDER, Fleet

pytestmark = pytest.mark.anyio


def block(fleet: Fleet, home: Home, joined: str = "") -> str:
    off = replace(PROVIDER, missing=("P_KEY",))
    keepers = fleet.supervisor.keepers
    return ready_block(
        keepers,
        [off],
        home,
        joined=joined,
        stop="X stop",
        doctor="X doctor",
        start=lambda name: f"X start {name}",
    )


def set_ready(fleet: Fleet, name: str, port: int) -> None:
    keeper = fleet.keeper(name)
    update = {"status": "ready", "address": f"http://127.0.0.1:{port}"}
    keeper.state = keeper.state.model_copy(update=update)


async def test_addresses_models_logs_and_the_way_out_are_named(home: Home) -> None:
    fleet = Fleet(home, models=("a", "b"))
    for port, keeper in enumerate(fleet.supervisor.keepers, start=1):
        set_ready(fleet, keeper.plan.name, port)
    text = block(fleet, home)
    assert "Shortline is ready.\n" in text
    for row in ("http://127.0.0.1:2/v1", "http://127.0.0.1:1", "a, b", str(home.logs), "`X stop`"):
        assert row in text
    assert "p; `X doctor` says why" in text


@pytest.mark.parametrize(("webui", "name"), [(True, "Web chat"), (False, "App server")])
async def test_the_web_chat_is_the_first_thing_to_read(home: Home, webui: bool, name: str) -> None:
    fleet = Fleet(home, app=True)
    for port, keeper in enumerate(fleet.supervisor.keepers, start=1):
        set_ready(fleet, keeper.plan.name, port)
    app = fleet.keeper("api")
    settings = app.plan.settings.model_copy(update={"webui": webui})
    app.plan = replace(app.plan, settings=settings)
    first = block(fleet, home).partition("Shortline is ready.")[2].strip().splitlines()[0]
    assert first.split("http") == [f"{name:<14}", "://127.0.0.1:3"]


async def test_what_is_down_is_not_among_the_models(home: Home) -> None:
    fleet = Fleet(home, models=("a", "b"))
    set_ready(fleet, "model_worker b", 3)
    keeper = fleet.keeper("model_worker a")
    keeper.state = keeper.state.model_copy(update={"status": "backoff", "detail": "no weights"})
    text = block(fleet, home)
    assert "ready in part" in text
    assert "Models        b\n" in text
    assert "model_worker a: no weights; it is tried again" in text


async def test_a_provider_that_is_not_there_is_told(home: Home) -> None:
    fleet = Fleet(home, models=("a",), providers=[PROVIDER])
    for port, keeper in enumerate(fleet.supervisor.keepers, start=1):
        set_ready(fleet, keeper.plan.name, port)
    keeper = fleet.keeper("online_api p")
    keeper.state = keeper.state.model_copy(update={"missing": "p at http://a.example: refused"})
    text = block(fleet, home)
    assert "ready in part" in text
    assert "Models        a\n" in text
    assert "Not there yet p at http://a.example: refused; it is asked again\n" in text


async def test_a_controller_that_is_not_ours_is_shown(home: Home) -> None:
    assert "http://c:1" in block(Fleet(home), home, joined="http://c:1")


async def test_an_api_that_is_not_up_has_no_address(home: Home) -> None:
    assert "OpenAI API" not in block(Fleet(home), home)


async def test_what_an_operator_has_set_aside_is_told_with_the_way_back(home: Home) -> None:
    Desired(home.desired_file).remember("model_worker a", "stop")
    Desired(home.desired_file).remember("model_worker b", "drain")
    fleet = Fleet(home, models=("a", "b", "c"))
    for port, keeper in enumerate(fleet.supervisor.keepers, start=1):
        if not keeper.held:
            set_ready(fleet, keeper.plan.name, port)
    text = block(fleet, home)
    assert "ready in part" in text
    assert "Models        c\n" in text
    assert "model_worker a: stopped, as an operator wanted; `X start model_worker a`" in text
    assert "model_worker b: draining, as an operator wanted; `X start model_worker b`" in text
    assert "tried again" not in text
