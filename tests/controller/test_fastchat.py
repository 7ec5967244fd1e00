from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import httpx
import pytest

from tests.controller.registrations import A, B, registration
from tests.fakes.controller import SECRET, Controller, controller
from tests.fakes.upstream import says, upstream, whole

pytestmark = pytest.mark.anyio

STATUS = {"model_names": ["vicuna"], "speed": 1, "queue_length": 7}
SECRET_TEXT = SECRET.get_secret_value()
BODY = {"worker_name": A, "check_heart_beat": True, "worker_status": STATUS, "multimodal": False}


@asynccontextmanager
async def called(*allowed: str) -> AsyncIterator[tuple[Controller, httpx.AsyncClient]]:
    async with controller(*allowed) as fleet, httpx.AsyncClient(base_url=fleet.url) as http:
        yield fleet, http


async def test_a_worker_registers_with_the_secret_in_the_controllers_url() -> None:
    async with called() as (fleet, http):
        url = fleet.url.replace("http://", f"http://fastchat:{SECRET_TEXT}@")
        answer = await http.post(f"{url}/register_worker", json=BODY)
        assert (answer.status_code, answer.json()) == (200, None)
        [worker] = fleet.registry.view().workers
        assert (worker.address, worker.protocol, worker.models) == (A, "fastchat", ("vicuna",))
        assert (worker.load.running, worker.load.waiting) == (5, 2)
        assert worker.generation


async def test_a_stranger_cannot_register_or_beat_and_is_not_asked_anything() -> None:
    async with called() as (fleet, http), upstream(says(whole(b"{}"))) as canary:
        fleet.registry.register(registration(B, protocol="fastchat", kind="fastchat"))
        before = fleet.registry.view()
        for auth in (httpx.BasicAuth("", ""), httpx.BasicAuth("fastchat", "wrong")):
            for status in (STATUS, None):
                body = BODY | {"worker_name": canary.url, "worker_status": status}
                refused = await http.post("/register_worker", json=body, auth=auth)
                assert refused.status_code == 401
            beat = {"worker_name": B, "queue_length": 99}
            assert (await http.post("/receive_heart_beat", json=beat, auth=auth)).status_code == 401
        assert fleet.registry.view() == before
        assert canary.connections == 0


async def test_a_listed_worker_joins_without_the_secret() -> None:
    async with called("127.0.0.1:30001") as (fleet, http):
        assert (await http.post("/register_worker", json=BODY)).status_code == 200
        other = await http.post("/register_worker", json=BODY | {"worker_name": B})
        assert other.status_code == 401
        assert [w.address for w in fleet.registry.view().workers] == [A]


async def test_a_worker_that_sends_no_status_is_asked_for_it() -> None:
    raw = b'{"model_names": ["asked"], "speed": 2, "queue_length": 0}'
    async with called() as (fleet, http), upstream(says(whole(raw))) as worker:
        body = BODY | {"worker_name": worker.url, "worker_status": None}
        answer = await http.post("/register_worker", json=body, auth=("x", SECRET_TEXT))
        assert answer.status_code == 200
        assert fleet.registry.view().workers[0].models == ("asked",)
        assert worker.received[0].head.startswith(b"POST /worker_get_status ")


async def test_an_address_that_is_neither_local_nor_listed_is_never_asked() -> None:
    async with called() as (fleet, http):
        body = BODY | {"worker_name": "http://169.254.169.254:80", "worker_status": None}
        answer = await http.post("/register_worker", json=body, auth=("x", SECRET_TEXT))
        assert (answer.status_code, answer.json()["error"]["code"]) == (403, "address_not_allowed")
        assert fleet.registry.view().workers == ()


async def test_a_redirect_of_an_asked_worker_is_not_followed() -> None:
    async with called() as (fleet, http), upstream(says(whole(b"{}"))) as canary:
        moved = whole(b"", "302 Found", f"location: {canary.url}/worker_get_status")
        async with upstream(says(moved)) as worker:
            body = BODY | {"worker_name": worker.url, "worker_status": None}
            answer = await http.post("/register_worker", json=body, auth=("x", SECRET_TEXT))
        assert answer.status_code == 502
        assert canary.connections == 0
        assert fleet.registry.view().workers == ()


async def test_a_worker_that_does_not_tell_its_status_does_not_hold_us_up(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("server.controller.fastchat.STATUS_S", 0.05)
    async with called() as (_, http), upstream(says(b"")) as worker:
        body = BODY | {"worker_name": worker.url, "worker_status": None}
        answer = await http.post("/register_worker", json=body, auth=("x", SECRET_TEXT))
        assert answer.status_code == 502


@pytest.mark.parametrize(
    "wrong",
    [
        {"worker_name": "http://127.0.0.1:1/path"},
        {"worker_name": 7},
        {"check_heart_beat": None},
        {"worker_status": {"model_names": [], "speed": 1, "queue_length": 0}},
        {"worker_status": {"model_names": [7], "speed": 1, "queue_length": 0}},
        {"worker_status": {"model_names": ["a"], "speed": -1, "queue_length": 0}},
        {"worker_status": {"model_names": ["a"], "speed": 1, "queue_length": -1}},
        {"worker_status": {"model_names": ["a"], "speed": 1, "queue_length": 10**30}},
    ],
)
async def test_a_garbage_registration_is_refused(wrong: dict[str, object]) -> None:
    async with called() as (fleet, http):
        answer = await http.post("/register_worker", json=BODY | wrong, auth=("x", SECRET_TEXT))
        assert answer.status_code == 400
        assert fleet.registry.view().workers == ()


async def test_a_beat_tells_the_queue_and_an_unknown_worker_to_register() -> None:
    async with called() as (fleet, http):
        auth = ("x", SECRET_TEXT)
        beat = {"worker_name": A, "queue_length": 3}
        unknown = await http.post("/receive_heart_beat", json=beat, auth=auth)
        assert unknown.json() == {"exist": False}
        await http.post("/register_worker", json=BODY, auth=auth)
        known = await http.post("/receive_heart_beat", json=beat, auth=auth)
        assert known.json() == {"exist": True}
        assert fleet.registry.view().workers[0].load.running == 3


async def test_a_fastchat_worker_does_not_replace_a_live_worker_of_ours() -> None:
    async with called() as (fleet, http):
        fleet.registry.register(registration(A))
        answer = await http.post("/register_worker", json=BODY, auth=("x", SECRET_TEXT))
        assert answer.status_code == 409
        assert fleet.registry.view().workers[0].protocol == "openai"


async def test_models_addresses_and_status_as_fastchat_tells_them() -> None:
    async with called() as (fleet, http):
        fleet.registry.register(registration(A, models=("mini", "mini-2")))
        eyes = ("chat", "vision")
        fleet.registry.register(registration(B, models=("eyes",), abilities=eyes, speed=2.0))
        fleet.registry.register(
            registration("http://127.0.0.1:30003", models=("gpt",), kind="online_api")
        )

        async def post(path: str, body: object = None) -> object:
            answer = await http.post(path, json=body) if body else await http.post(path)
            assert answer.status_code == 200
            return answer.json()

        assert await post("/list_models") == {"models": ["mini", "mini-2", "eyes"]}
        assert await post("/list_language_models") == {"models": ["mini", "mini-2"]}
        assert await post("/list_multimodal_models") == {"models": ["eyes"]}
        assert await post("/get_worker_address", {"model": "gpt"}) == {"address": ""}
        assert await post("/refresh_all_workers") is None
        assert await post("/worker_get_status") == {
            "model_names": ["eyes", "mini", "mini-2"],
            "speed": 3.0,
            "queue_length": 0,
        }
        assert (await http.get("/test_connection")).json() == "success"


async def test_a_fastchat_workers_address_is_given_and_ours_stay_behind_the_controller() -> None:
    async with called() as (fleet, http):
        fleet.registry.register(registration(A, models=("ours",)))
        fleet.registry.register(
            registration(B, models=("theirs",), protocol="fastchat", kind="fastchat")
        )
        for model, address in (("ours", fleet.url), ("theirs", B), ("nobodys", "")):
            answer = await http.post("/get_worker_address", json={"model": model})
            assert answer.json() == {"address": address}
        status = (await http.post("/worker_get_status")).json()
        assert status["queue_length"] == 1  # what was just sent to `theirs`


async def test_reading_is_closed_to_foreign_pages_and_hosts() -> None:
    async with called() as (_, http):
        for headers in ({"host": "evil.example"}, {"origin": "https://evil.example"}):
            assert (await http.post("/list_models", headers=headers)).status_code == 403


@pytest.mark.parametrize("path", ["/list_models", "/get_worker_address", "/worker_generate_stream"])
async def test_a_closed_controller_lets_nobody_read_without_the_secret(path: str) -> None:
    async with controller(closed=True) as there, httpx.AsyncClient(trust_env=False) as http:
        body = {"model": "m"}
        refused = await http.post(there.url + path, json=body)
        assert (refused.status_code, refused.json()["error"]["code"]) == (401, "bad_secret")
        url = there.url.replace("http://", f"http://fastchat:{SECRET.get_secret_value()}@")
        assert (await http.post(url + path, json=body)).status_code == 200
