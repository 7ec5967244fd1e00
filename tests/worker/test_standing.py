"""A worker that its controller does not take in says so, and joins once it is taken."""

from __future__ import annotations

import logging

import pytest
from pydantic import SecretStr

from server.controller.app import create_app
from server.core.settings import ControllerSettings
from server.web.drain import Drain
from server.wire.process import ControllerProcess, Report
from server.worker.standing import Standing
from tests.fakes.controller import controller
from tests.fakes.live_server import live_server
from tests.fakes.waiting import until
from tests.fakes.worker import local_worker

pytestmark = pytest.mark.anyio


def test_the_same_refusal_is_said_once_and_taken_back_once() -> None:
    said: list[Report] = []
    standing = Standing(said.append)
    standing.taken()
    standing.refused("no")
    standing.refused("no")
    assert (standing.missing, said) == ("no", [Report(state="waiting", detail="no")])
    standing.taken()
    standing.taken()
    assert (standing.missing, said[1:]) == (None, [Report(state="waiting")])


async def test_a_worker_with_another_secret_is_not_ready_and_its_log_says_it_once(
    caplog: pytest.LogCaptureFixture,
) -> None:
    settings = ControllerProcess(
        name="controller", secret=SecretStr("t" * 32), controller=ControllerSettings()
    )
    drain = Drain()
    with caplog.at_level(logging.WARNING):
        async with (
            live_server(create_app(settings, drain)) as url,
            local_worker(controller_url=url) as worker,
        ):
            await until(lambda: caplog.records)
            answer = await worker.http.get("/readyz")
            assert answer.status_code == 503
            assert "does not accept our secret" in answer.json()["missing"]
            assert (await worker.http.get("/livez")).status_code == 200
            drain.begun.set()
    told = [r for r in caplog.records if r.message == "trouble with the controller"]
    assert len(told) == 1


async def test_a_worker_that_is_taken_in_is_ready() -> None:
    async with controller() as fleet, local_worker(controller_url=fleet.url) as worker:
        await until(lambda: fleet.registry.view().workers)
        assert (await worker.http.get("/readyz")).status_code == 200


async def test_a_controller_that_is_away_leaves_a_worker_ready() -> None:
    async with local_worker() as worker:
        assert (await worker.http.get("/readyz")).status_code == 200


async def test_a_worker_that_is_to_drain_comes_up_draining() -> None:
    async with (
        controller() as fleet,
        local_worker(controller_url=fleet.url, draining=True),
    ):
        await until(lambda: fleet.registry.view().workers)
        (view,) = fleet.registry.view().workers
        assert view.state == "draining"
