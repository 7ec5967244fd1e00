from __future__ import annotations

import httpx
import pytest

from server.core.limits import BEAT_SOON_S, BEATS_PER_S, HEARTBEAT_S
from server.wire.fleet import SECRET_HEADER
from tests.controller.registrations import A, beat, ref, registration
from tests.fakes.controller import SECRET, controller

pytestmark = pytest.mark.anyio

INSIDE = {SECRET_HEADER: SECRET.get_secret_value()}
POSTS = ["/fleet/register", "/fleet/beat", "/fleet/leave", "/fleet/drain", "/fleet/lost",
         "/fleet/dismiss"]  # fmt: skip


async def test_every_fleet_path_demands_the_secret_and_changes_nothing_without_it() -> None:
    body = registration().model_dump(mode="json") | {"load": {}}
    async with controller() as fleet, httpx.AsyncClient(base_url=fleet.url) as http:
        fleet.registry.register(registration())
        before = fleet.registry.view()
        for headers in ({}, {SECRET_HEADER: "wrong"}, {"authorization": "Bearer wrong"}):
            answers = [await http.post(path, json=body, headers=headers) for path in POSTS]
            answers += [
                await http.get(path, headers=headers) for path in ("/fleet", "/fleet/events")
            ]
            assert {answer.status_code for answer in answers} == {401}
            assert {answer.json()["error"]["code"] for answer in answers} == {"bad_secret"}
        assert fleet.registry.view() == before


async def test_a_workers_life_from_register_to_leave() -> None:
    often = {"beat_s": HEARTBEAT_S, "soon_s": BEAT_SOON_S}
    known = {"known": True, "draining": False} | often
    unknown = {"known": False, "draining": False} | often
    async with controller() as fleet, httpx.AsyncClient(base_url=fleet.url, headers=INSIDE) as http:

        async def post(path: str, body: dict[str, object]) -> object:
            answer = await http.post(path, json=body)
            assert answer.status_code == 200, answer.text
            return answer.json()

        a_beat, a_ref = beat(running=3).model_dump(), ref().model_dump()
        assert await post("/fleet/beat", a_beat) == unknown
        assert await post("/fleet/register", registration().model_dump()) == known
        assert await post("/fleet/beat", a_beat) == known
        assert await post("/fleet/drain", a_ref) == known
        view = (await http.get("/fleet")).json()
        [worker] = view["workers"]
        assert (worker["address"], worker["state"], worker["load"]["running"]) == (A, "draining", 3)
        assert await post("/fleet/leave", a_ref) == known
        assert await post("/fleet/lost", a_ref) == unknown
        assert await post("/fleet/dismiss", {"name": "online_api gpu1@here"}) == known
        view = (await http.get("/fleet")).json()
        assert (view["workers"], view["dismissed"]) == ([], ["online_api gpu1@here"])


async def test_many_workers_are_told_to_beat_less_often() -> None:
    async with controller() as fleet, httpx.AsyncClient(base_url=fleet.url, headers=INSIDE) as http:
        for number in range(200):
            fleet.registry.register(registration(f"http://127.0.0.1:{10_000 + number}"))
        fleet.registry.register(registration())
        answer = await http.post("/fleet/beat", json=beat().model_dump())
        assert answer.json()["soon_s"] == pytest.approx(201 / BEATS_PER_S)


@pytest.mark.parametrize(
    ("body", "status"),
    [
        (b"", 400),
        (b"[]", 400),
        (b"{}", 400),
        (b'{"address": 1, "models": ["m"]}', 400),
        (b'{"address": "http://127.0.0.1:1", "models": []}', 400),
        (b'{"address": "http://127.0.0.1:1/x", "models": ["m"]}', 400),
        (b'{"address": "http://127.0.0.1:1", "models": ["m"], "speed": NaN}', 400),
        (b'{"address": "http://127.0.0.1:1", "models": ["m"], "speed": 0}', 400),
        (b'{"address": "http://127.0.0.1:1", "models": ["m"], "protocol": "smtp"}', 400),
        (b'{"address": "\xff", "models": ["m"]}', 400),
        (b'{"a":' * 100 + b"1" + b"}" * 100, 400),
        (b'{"address": "' + b"x" * 3_000_000 + b'"}', 413),
    ],
)
async def test_a_garbage_registration_is_refused(body: bytes, status: int) -> None:
    headers = INSIDE | {"content-type": "application/json"}
    async with controller() as fleet, httpx.AsyncClient(base_url=fleet.url) as http:
        answer = await http.post("/fleet/register", content=body, headers=headers)
        assert answer.status_code == status
        assert answer.json()["error"]["request_id"]
        assert fleet.registry.view().workers == ()


async def test_other_paths_methods_and_media_types_are_refused() -> None:
    async with controller() as fleet, httpx.AsyncClient(base_url=fleet.url, headers=INSIDE) as http:
        assert (await http.get("/nothing")).status_code == 404
        assert (await http.get("//fleet")).status_code == 404
        assert (await http.get("/fleet/register")).status_code == 405
        form = await http.post("/fleet/register", data={"address": A})
        assert form.status_code == 415
        elsewhere = await http.get("/fleet", headers={"host": "evil.example"})
        assert elsewhere.status_code == 403
        page = await http.get("/fleet", headers={"origin": "https://evil.example"})
        assert page.status_code == 403
