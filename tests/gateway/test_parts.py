"""What a gateway does by itself, once it runs."""

from __future__ import annotations

import pytest

from server.controller import registry
from server.core.clock import SystemClock
from server.core.settings import GatewaySettings, RouteSettings
from server.gateway.parts import Parts
from server.web.drain import Drain
from server.wire.process import GatewayProcess
from tests.fakes.controller import SECRET, controller
from tests.fakes.waiting import until
from tests.fakes.worker import local_worker


async def test_routes_to_models_that_are_not_there_are_told_once_in_the_log(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(registry, "SETTLE_S", 0.3)
    best = {"name": "best", "to": ["echo", "loading"], "fallback": ["nope"]}
    good = {"name": "good", "to": ["echo"]}
    routes = tuple(RouteSettings.model_validate(route) for route in (best, good))
    async with controller() as fleet, local_worker(controller_url=fleet.url):
        process = GatewayProcess(
            name="openai_api",
            secret=SECRET,
            controller_url=fleet.url,
            gateway=GatewaySettings(routes=routes),
            expected_models=("loading",),
        )
        parts = Parts(process, Drain(), "", SystemClock(), id="gw")
        async with parts.running():
            await until(lambda: "not there" in caplog.text, limit_s=10)
    (told,) = [line for line in caplog.records if "not there" in line.message]
    assert told.__dict__["route"] == "best"
    assert told.__dict__["missing"] == "nope"
