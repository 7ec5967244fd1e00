"""The fleet's report and orders, with a real controller."""

from __future__ import annotations

import asyncio
import logging
import os
from pathlib import Path

import orjson
import psutil
import pytest

from server.wire.fleet import Registration, WorkerRef
from server.wire.launcher import ChildState, LauncherState
from server.wire.process import Request
from tests.app.conftest import App, app_server
from tests.fakes.controller import SECRET as CONTROLLER_SECRET
from tests.fakes.controller import controller

ADDRESS = "http://127.0.0.1:5001"
NAME = "model_worker org/m"


def write_launcher(file: Path, status: str = "ready") -> None:
    pid = os.getpid()
    child = ChildState.model_validate(
        {
            "name": NAME,
            "role": "model_worker",
            "status": status,
            "pid": pid,
            "created": psutil.Process(pid).create_time(),
            "address": ADDRESS,
        }
    )
    state = LauncherState(
        pid=1, created=0, version="0", home="", log_folder="", drain_s=1, phase="running",
        children=(child,),
    )  # fmt: skip
    file.write_text(state.model_dump_json())


async def reports(app: App, count: int) -> list[dict[str, object]]:
    found: list[dict[str, object]] = []
    async with app.client.stream("GET", "/api/fleet/events") as answer:
        rest = b""
        async for part in answer.aiter_raw():
            *blocks, rest = (rest + part).split(b"\n\n")
            for block in blocks:
                assert block.startswith(b"event: fleet\ndata: {")
                found.append(orjson.loads(block.split(b"data: ", 1)[1]))
            if len(found) >= count:
                return found
    return found


async def test_a_change_is_told_and_silence_is_not_long(tmp_path: Path) -> None:
    file = tmp_path / "state.json"
    write_launcher(file)
    async with app_server(tmp_path, state_file=file) as app:
        first = (await app.client.get("/api/fleet")).json()
        assert first["processes"][0]["memory_bytes"] > 2**20
        assert first["state"] == "ok"
        async with asyncio.timeout(8):
            assert len(await reports(app, 2)) >= 2
            write_launcher(file, "backoff")
            while True:
                latest = (await reports(app, 1))[-1]
                if latest["state"] == "degraded":
                    break


async def test_looking_ends_at_once_when_the_server_stops(app: App) -> None:
    async with app.client.stream("GET", "/api/fleet/events") as answer:
        parts = answer.aiter_raw()
        await anext(parts)
        async with asyncio.timeout(1):
            app.drain.begun.set()
            async for _ in parts:
                pass


async def test_orders_go_to_the_launcher_and_impossible_ones_nowhere(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO)
    file = tmp_path / "state.json"
    write_launcher(file)
    async with app_server(tmp_path, state_file=file) as app:
        path = f"/api/fleet/workers/{NAME}"
        told = await app.client.post(f"{path}/restart")
        assert told.status_code == 202
        assert (told.json()["name"], told.json()["status"]) == (NAME, "ready")
        assert app.said == [Request(ask="restart", child=NAME)]
        refused = await app.client.post(f"{path}/start")
        assert (refused.status_code, refused.json()["error"]["code"]) == (409, "conflict")
        assert (await app.client.post(f"{path}/drain")).status_code == 409
        assert (await app.client.post(f"{path}/explode")).status_code == 404
        assert (await app.client.post("/api/fleet/workers/nobody/stop")).status_code == 404
        assert len(app.said) == 1
    assert [r.message for r in caplog.records].count("an operator's order") == 1


async def test_our_own_worker_is_drained_by_the_launcher_which_remembers_it(
    tmp_path: Path,
) -> None:
    file = tmp_path / "state.json"
    write_launcher(file)
    async with controller() as fleet:
        fleet.registry.register(
            Registration(address=ADDRESS, generation="g", models=("m",), abilities=("chat",))
        )
        async with app_server(
            tmp_path, state_file=file, controller_url=fleet.url, secret=CONTROLLER_SECRET
        ) as app:
            path = f"/api/fleet/workers/{NAME}"
            async with asyncio.timeout(5):
                while (await app.client.post(f"{path}/drain")).status_code != 202:
                    pass
                fleet.registry.drain(WorkerRef(address=ADDRESS))
                while (await app.client.post(f"{path}/start")).status_code != 202:
                    pass
            assert app.said == [Request(ask=a, child=NAME) for a in ("drain", "start")]


async def test_a_worker_of_somebody_else_is_drained_by_the_controller(tmp_path: Path) -> None:
    async with controller() as fleet:
        fleet.registry.register(
            Registration(address=ADDRESS, generation="g", models=("m",), abilities=("chat",))
        )
        async with app_server(
            tmp_path, controller_url=fleet.url, secret=CONTROLLER_SECRET, expected=("m",)
        ) as app:
            async with asyncio.timeout(5):
                while not (await app.client.get("/api/models")).json()["items"][0]["workers"]:
                    pass
                told = await app.client.post(f"/api/fleet/workers/{ADDRESS}/drain")
                assert told.status_code == 202
                while (await app.client.get("/readyz")).status_code != 503:
                    pass
            state = (await app.client.get("/api/models")).json()["items"][0]
            assert (state["state"], state["detail"]) == ("down", "its worker is draining")


async def test_a_lost_gateway_is_told_in_words(tmp_path: Path) -> None:
    async with app_server(tmp_path) as app:
        assert (await app.client.get("/readyz")).status_code == 200
        app.stop_gateway()
        async with asyncio.timeout(5):
            while (ready := await app.client.get("/readyz")).status_code == 200:
                pass
        assert "the gateway does not answer" in ready.json()["missing"]
        assert (await app.client.get("/api/models")).json()["items"][0]["state"] == "down"
        assert (await app.client.get("/livez")).status_code == 200
