"""What never comes as far as a model is counted, logged and explained all the same."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Mapping
from pathlib import Path
from urllib.parse import urlsplit

import pytest
from prometheus_client.parser import text_string_to_metric_families

from server.core.settings import GatewaySettings
from server.gateway.sight.journal import KEPT_REFUSED, MAX_PATH_CHARS
from server.ledger.ledger import Ledger
from server.ledger.new_key import NewKey
from server.wire.sight import Explained
from tests.fakes.waiting import until
from tests.gateway.conftest import Served, gateway
from tests.gateway.sight.seen import CHAT, a_sight, refuse, serve
from tests.gateway.test_siblings import OURS

ID = {"x-request-id": "req-x"}
LOUD = GatewaySettings(log_requests=True)


def explained(served: Served) -> Explained:
    told = served.parts.sight.explain("req-x")
    assert told is not None
    return told


async def refused(served: Served) -> dict[tuple[str, str], float]:
    """By status and code."""
    text = (await served.client.get("/metrics")).text
    return {
        (sample.labels["status"], sample.labels["code"]): sample.value
        for family in text_string_to_metric_families(text)
        for sample in family.samples
        if sample.name == "shortline_requests_refused_total"
    }


@pytest.mark.parametrize(
    ("method", "path", "body", "headers", "status", "code", "field"),
    [
        ("POST", CHAT, b"{", {}, 400, "invalid_json", ""),
        ("POST", CHAT, b"{}", {}, 400, "missing_required_parameter", "model"),
        ("POST", CHAT, b'{"model": "m", "stream": 1}', {}, 400, "invalid_type", "stream"),
        (
            "POST", CHAT, b'{"model": "m"}', {"x-request-timeout": "soon"},
            400, "invalid_request_error", "x-request-timeout",
        ),
        ("POST", "/chat/completions", b"{}", {}, 404, "not_found", ""),
        ("PUT", CHAT, b"", {}, 405, "method_not_allowed", ""),
        ("POST", CHAT, b"{}", {"host": "evil.example"}, 403, "bad_host", ""),
        ("GET", "/v1/models/none", b"", {}, 404, "model_not_found", "model"),
    ],
)  # fmt: skip
async def test_each_is_known_by_what_it_was_and_what_was_wrong(
    caplog: pytest.LogCaptureFixture,
    method: str,
    path: str,
    body: bytes,
    headers: Mapping[str, str],
    status: int,
    code: str,
    field: str,
) -> None:
    caplog.set_level(logging.INFO)
    async with gateway(settings=LOUD) as served:
        answer = await served.client.request(method, path, content=body, headers={**ID, **headers})
        assert answer.status_code == status
        told = explained(served)
        assert (told.method, told.path, told.state) == (method, path, "http_error")
        assert (told.status, told.code, told.field, told.model) == (status, code, field, "")
        assert await refused(served) == {(str(status), code): 1}
    (line,) = [line.__dict__ for line in caplog.records if line.message == "request"]
    assert (line["request_id"], line["path"], line["status"]) == ("req-x", path, status)
    assert (line["code"], line.get("field", "")) == (code, field)


async def test_one_that_is_too_large_is_known() -> None:
    head = f"POST {CHAT} HTTP/1.1\r\nhost: 127.0.0.1\r\nx-request-id: req-x\r\n"
    async with gateway() as served:
        sent = f"{head}content-length: 999999999\r\n\r\n".encode()
        assert await answer_to(served, sent) == b"413"
        assert (explained(served).status, explained(served).code) == (413, "request_too_large")
        assert await refused(served) == {("413", "request_too_large"): 1}


async def test_one_without_a_key_is_known_and_so_is_whose_key_has_ended(tmp_path: Path) -> None:
    file = tmp_path / "ledger.db"
    ledger = Ledger.open(file)
    made, text = ledger.create_key(NewKey(name="a", expires=2), now=1.0)
    ledger.close()
    async with gateway(ledger_file=str(file)) as served:
        for headers, key in (({}, ""), ({"authorization": f"Bearer {text}"}, made.id)):
            answer = await served.client.post(CHAT, json={}, headers=ID | headers)
            assert answer.status_code == 401
            told = explained(served)
            assert (told.status, told.code, told.key) == (401, "invalid_api_key", key)
        assert told.same_id == 1


async def test_a_request_that_came_as_far_as_a_model_is_not_counted_at_the_door() -> None:
    async with gateway() as served:
        answer = await served.client.post(CHAT, json={"model": "none"}, headers=ID)
        assert answer.status_code == 404
        assert (explained(served).model, explained(served).same_id) == ("none", 0)
        assert await refused(served) == {}


async def test_what_our_own_processes_ask_in_vain_is_no_refused_request() -> None:
    async with gateway() as served:
        for path in ("/shortline/queue/none", "/shortline/requests/none"):
            assert (await served.client.get(path, headers=OURS)).status_code == 404
        assert await refused(served) == {}
        assert (await served.client.get("/shortline/stats")).status_code == 401
        assert await refused(served) == {("401", "bad_secret"): 1}


@pytest.mark.parametrize(
    ("sent", "status", "code"),
    [
        (b"hello\r\n\r\n", "400", "invalid_http"),
        (b"GET / HTTP/1.1\r\n\r\n", "400", "bad_host"),
        (b"GET / HTTP/1.1\r\nhost: a\r\nx: " + b"x" * 100_000, "431", "headers_too_large"),
    ],
)
async def test_what_the_http_server_refuses_itself_is_counted(
    sent: bytes, status: str, code: str
) -> None:
    async with gateway() as served:
        assert await answer_to(served, sent) == status.encode()
        assert await refused(served) == {(status, code): 1}


async def test_connections_without_room_are_counted(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("server.web.http1.service.most_connections", lambda: 8)
    async with gateway() as served:
        url = urlsplit(served.url)
        open_ = [await asyncio.open_connection(url.hostname, url.port) for _ in range(12)]
        await until(lambda: served.parts.sight.numbers().refused != ())
        await asyncio.gather(*(reader.read(1) for reader, _ in open_[8:]))
        found = {(x.status, x.code): x.count for x in served.parts.sight.numbers().refused}
        assert found == {(503, "too_many_connections"): 1, (0, "too_many_connections"): 3}
        for _, writer in open_:
            writer.close()


async def answer_to(served: Served, sent: bytes) -> bytes:
    """The status."""
    url = urlsplit(served.url)
    reader, writer = await asyncio.open_connection(url.hostname, url.port)
    writer.write(sent)
    head = await reader.readline()
    writer.close()
    return head.split(b" ")[1]


def test_so_many_are_kept_and_they_push_out_no_other() -> None:
    sight = a_sight()
    serve(sight, request_id="good")
    for number in range(KEPT_REFUSED + 1):
        refuse(sight, request_id=f"bad-{number}", path="/" + "x" * 1000)
    told = sight.explain(f"bad-{KEPT_REFUSED}")
    assert told is not None and len(told.path) == MAX_PATH_CHARS
    assert sight.explain("bad-0") is None
    assert sight.explain("good") is not None
