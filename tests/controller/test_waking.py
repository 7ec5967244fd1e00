"""FastChat's clients and models that are not loaded, seen from outside."""

from __future__ import annotations

import asyncio
import json

import httpx
import pytest

from server.controller.fastchat_relay import WHOLE
from server.controller.picker import Picker
from server.controller.registry import Registry
from server.controller.waking import Waking
from server.core.clock import SystemClock
from server.core.errors import Overloaded, Unavailable
from server.wire.fastchat import ErrorCode, piece
from server.wire.fleet import Rest, Resting
from tests.controller.registrations import registration
from tests.fakes.controller import Controller, controller
from tests.fakes.upstream import LAST_CHUNK, chunk, says, upstream, whole
from tests.fakes.waiting import until

pytestmark = pytest.mark.anyio

STREAM = "/worker_generate_stream"
PARAMS = {"model": "mini", "prompt": "Hi"}
ONE = piece({"text": "Hello", "error_code": 0, "finish_reason": "stop"})
HEAD = b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n"
ASLEEP = Resting(model="mini", abilities=("chat",), places=2)


def rests(fleet: Controller, *models: Resting) -> None:
    """What a launcher says."""
    fleet.registry.rest(Rest(launcher="lch_1", models=models))


@pytest.mark.parametrize("path", [STREAM, *WHOLE])
async def test_a_call_wakes_its_model_waits_and_is_answered(path: str) -> None:
    answers = says(HEAD + chunk(ONE) + LAST_CHUNK if path == STREAM else whole(b'{"text":"Hello"}'))
    async with (
        upstream(answers) as worker,
        controller() as fleet,
        httpx.AsyncClient(base_url=fleet.url) as http,
    ):
        rests(fleet, ASLEEP)
        call = asyncio.create_task(http.post(path, json=PARAMS))
        await until(lambda: fleet.registry.view().wanted == ("mini",))
        rests(fleet, ASLEEP.model_copy(update={"state": "loading"}))
        assert not call.done()
        fleet.registry.register(registration(worker.url))
        rests(fleet)
        assert (await call).text.rstrip("\0") in ('{"text":"Hello"}', ONE.decode().rstrip("\0"))


async def test_fastchats_clients_see_it_and_are_sent_to_the_controller() -> None:
    async with controller() as fleet, httpx.AsyncClient(base_url=fleet.url) as http:
        rests(fleet, ASLEEP)
        for path in ("/list_models", "/list_language_models"):
            assert (await http.post(path)).json() == {"models": ["mini"]}
        assert (await http.post("/list_multimodal_models")).json() == {"models": []}
        assert (await http.post("/worker_get_status")).json()["model_names"] == ["mini"]
        told = await http.post("/get_worker_address", json={"model": "mini"})
        assert told.json() == {"address": fleet.url}


@pytest.mark.parametrize(
    ("model", "code", "words"),
    [
        (ASLEEP, ErrorCode.CONTROLLER_NO_WORKER, "within 0.2 s"),
        (
            ASLEEP.model_copy(update={"trouble": "it is too big"}),
            ErrorCode.CONTROLLER_NO_WORKER,
            "too big",
        ),
        (ASLEEP.model_copy(update={"places": 0}), ErrorCode.ENGINE_OVERLOADED, "wait for it"),
    ],
)
async def test_what_it_waits_for_in_vain_is_told(
    model: Resting, code: ErrorCode, words: str
) -> None:
    async with controller(wake_s=0.2) as fleet, httpx.AsyncClient(base_url=fleet.url) as http:
        rests(fleet, model)
        for path in (STREAM, "/worker_generate"):
            said = json.loads((await http.post(path, json=PARAMS)).content.rstrip(b"\0"))
            assert said["error_code"] == code
            assert words in said["text"]


async def test_a_launcher_that_takes_it_back_ends_the_waiting() -> None:
    async with controller() as fleet, httpx.AsyncClient(base_url=fleet.url) as http:
        rests(fleet, ASLEEP)
        call = asyncio.create_task(http.post(STREAM, json=PARAMS))
        await until(lambda: fleet.registry.view().wanted == ("mini",))
        rests(fleet)
        said = json.loads((await call).content.rstrip(b"\0"))
        assert said["error_code"] == ErrorCode.CONTROLLER_NO_WORKER


async def test_whoever_leaves_gives_his_place_back() -> None:
    registry = Registry(SystemClock())
    waking = Waking(registry, Picker(registry, "shortest_queue"), 1.0)
    registry.rest(Rest(launcher="lch_1", models=(ASLEEP.model_copy(update={"places": 1}),)))
    first = asyncio.create_task(waking.pick("mini"))
    await until(lambda: registry.view().wanted == ("mini",))
    with pytest.raises(Overloaded):
        await waking.pick("mini")
    first.cancel()
    await asyncio.wait([first])
    with pytest.raises(Unavailable, match="not there within"):
        await waking.pick("mini")
