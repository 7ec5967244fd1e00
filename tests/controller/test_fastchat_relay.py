from __future__ import annotations

import asyncio
import json

import httpx
import pytest

from server.controller.fastchat_relay import WHOLE
from server.wire.fastchat import ErrorCode, piece
from server.wire.fleet import SECRET_HEADER
from tests.controller.registrations import ref, registration
from tests.fakes.controller import SECRET, controller
from tests.fakes.upstream import LAST_CHUNK, Received, Script, Writer, chunk, says, upstream, whole

pytestmark = pytest.mark.anyio

PATH = "/worker_generate_stream"
HEAD = b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n"
ONE = piece({"text": "He", "error_code": 0})
TWO = piece({"text": "Hello 你好", "error_code": 0, "finish_reason": "stop"})
PARAMS = {"model": "mini", "prompt": "Hi"}


def error_code(raw: bytes) -> int:
    """Of the last piece."""
    code: int = json.loads(raw.rstrip(b"\0").split(b"\0")[-1])["error_code"]
    return code


async def relayed(script: Script, protocol: str = "fastchat") -> tuple[bytes, list[Received]]:
    async with (
        upstream(script) as worker,
        controller() as fleet,
        httpx.AsyncClient(base_url=fleet.url) as http,
    ):
        fleet.registry.register(registration(worker.url, protocol=protocol))
        answer = await http.post(PATH, json=PARAMS)
        assert answer.status_code == 200
        return answer.content, worker.received


async def test_a_stream_passes_byte_for_byte_however_it_is_cut() -> None:
    raw = ONE + TWO
    parts = b"".join(chunk(raw[i : i + 3]) for i in range(0, len(raw), 3))
    body, received = await relayed(says(HEAD + parts + LAST_CHUNK))
    assert body == raw
    assert json.loads(received[0].body) == PARAMS


async def test_only_our_own_workers_are_shown_the_secret() -> None:
    answer = says(HEAD + chunk(TWO) + LAST_CHUNK)
    _, [ours] = await relayed(answer, "openai")
    assert ours.header(SECRET_HEADER) == SECRET.get_secret_value()
    _, [theirs] = await relayed(answer, "fastchat")
    assert theirs.header(SECRET_HEADER) is None


async def test_a_model_nobody_serves_is_fastchats_error() -> None:
    async with controller() as fleet, httpx.AsyncClient(base_url=fleet.url) as http:
        answer = await http.post(PATH, json=PARAMS)
        assert answer.status_code == 200
        assert error_code(answer.content) == ErrorCode.CONTROLLER_NO_WORKER


async def hang_up(_: Received, writer: Writer) -> None:
    writer.write(HEAD + chunk(ONE + TWO[:5]))
    writer.close()


@pytest.mark.parametrize(
    ("script", "before"),
    [
        (hang_up, ONE),
        (says(HEAD + chunk(ONE + TWO[:-1]) + LAST_CHUNK), ONE),
        (says(whole(b"oops", "500 Oops")), b""),
        (says(b"not http\r\n\r\n"), b""),
    ],
)
async def test_a_worker_that_fails_ends_the_stream_in_fastchats_error(
    script: Script, before: bytes
) -> None:
    body, _ = await relayed(script)
    assert body.startswith(before)
    assert body.count(b"\0") == before.count(b"\0") + 1
    assert error_code(body) == ErrorCode.CONTROLLER_WORKER_TIMEOUT


@pytest.mark.parametrize("path", WHOLE)
async def test_whole_answers_pass_byte_for_byte_with_our_secret(path: str) -> None:
    raw = b'{ "count": 3,  "error_code": 0}'
    async with (
        upstream(says(whole(raw))) as worker,
        controller() as fleet,
        httpx.AsyncClient(base_url=fleet.url) as http,
    ):
        fleet.registry.register(registration(worker.url))
        assert (await http.post(path, json=PARAMS)).content == raw
        assert worker.received[0].head.startswith(f"POST {path} ".encode())
        assert worker.received[0].header(SECRET_HEADER) == SECRET.get_secret_value()
        worker.script = says(whole(b"oops", "500 Oops"))
        failed = await http.post(path, json=PARAMS)
        assert failed.json()["error_code"] == ErrorCode.CONTROLLER_WORKER_TIMEOUT
        nobody = await http.post(path, json={"model": "other"})
        assert nobody.json()["error_code"] == ErrorCode.CONTROLLER_NO_WORKER


async def test_nothing_is_kept_of_a_worker_that_is_gone() -> None:
    async with (
        upstream(says(whole(b"{}"))) as worker,
        controller() as fleet,
        httpx.AsyncClient(base_url=fleet.url) as http,
    ):
        fleet.registry.register(registration(worker.url))
        await http.post("/count_token", json=PARAMS)
        assert not worker.closed.is_set()
        fleet.registry.remove(ref(worker.url), "worker left")
        async with asyncio.timeout(2):
            await worker.closed.wait()


async def test_a_silent_worker_is_given_up(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("server.controller.fastchat_relay.FIRST_TOKEN_S", 0.05)
    body, _ = await relayed(says(b""))
    assert error_code(body) == ErrorCode.CONTROLLER_WORKER_TIMEOUT


async def test_a_client_that_leaves_hangs_up_on_the_worker() -> None:
    async with (
        upstream(says(HEAD + chunk(ONE))) as worker,
        controller() as fleet,
        httpx.AsyncClient(base_url=fleet.url) as http,
    ):
        fleet.registry.register(registration(worker.url, protocol="fastchat"))
        async with http.stream("POST", PATH, json=PARAMS) as answer:
            assert await anext(answer.aiter_raw()) == ONE
        async with asyncio.timeout(2):
            await worker.closed.wait()


@pytest.mark.parametrize("body", [b"", b"{}", b'{"model": 1}', b'{"model": "a", "model": "b"}'])
async def test_a_garbage_request_is_refused(body: bytes) -> None:
    async with controller() as fleet, httpx.AsyncClient(base_url=fleet.url) as http:
        assert (await http.post(PATH, content=body)).status_code == 400
