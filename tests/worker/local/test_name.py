"""What a local worker tells the fleet of itself."""

from __future__ import annotations

from socket import gethostname

from server.web.drain import Drain
from server.wire.process import ModelWorkerProcess
from server.worker.local.app import create_app
from tests.fakes.controller import SECRET, controller
from tests.fakes.live_server import live_server
from tests.fakes.waiting import until
from tests.fakes.worker import ECHO


async def test_it_has_a_name_that_outlives_its_process() -> None:
    async with controller() as fleet:
        settings = ModelWorkerProcess(
            name="model_worker echo#2", secret=SECRET, controller_url=fleet.url, model=ECHO
        )
        drain = Drain()
        app = create_app(settings, drain, lambda report: None, "http://127.0.0.1:9")
        async with live_server(app):
            await until(lambda: fleet.registry.view().workers != ())
            (worker,) = fleet.registry.view().workers
            assert worker.label == f"model_worker echo#2@{gethostname()}"
            drain.begun.set()
