"""Requests that nobody's client sends: each is refused in our own words, and changes nothing."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import httpx
import pytest

from server.core.settings import GatewaySettings
from server.ledger.ledger import Ledger
from server.ledger.new_key import NewKey
from tests.fakes.spoiled import WRONG, spoiled, with_a_million_keys
from tests.fakes.upstream import Upstream, says, upstream, whole
from tests.gateway.conftest import gateway, view

JSON = {"content-type": "application/json"}
HELLO = [{"role": "user", "content": "hello"}]
GOOD: dict[tuple[str, str], dict[str, Any]] = {
    ("POST", "/v1/chat/completions"): {"model": "m", "messages": HELLO},
    ("POST", "/v1/completions"): {"model": "m", "prompt": "hello"},
    ("POST", "/v1/embeddings"): {"model": "m", "input": "hello"},
    ("POST", "/v1/rerank"): {"model": "m", "query": "hello", "documents": ["x"]},
    ("POST", "/rerank"): {"model": "m", "query": "hello", "documents": ["x"]},
    ("POST", "/tokenize"): {"model": "m", "messages": HELLO},
    ("POST", "/admin/keys"): {"name": "carol"},
    ("PUT", "/admin/routes/r"): {"to": "m"},
}
"""Every route of the gateway that takes a body, with one that it serves."""
FIELDS: dict[str, tuple[str, ...]] = {
    "/v1/chat/completions": (
        "model", "messages", "stream", "n", "max_tokens", "max_completion_tokens", "user",
        "prompt_cache_key", "temperature", "seed", "tools", "stop",
    ),
    "/v1/completions": ("model", "prompt", "stream", "n", "max_tokens", "echo"),
    "/v1/embeddings": ("model", "input", "stream", "encoding_format", "dimensions"),
    "/v1/rerank": ("model", "query", "documents", "top_n", "n", "stream"),
    "/rerank": ("model", "query", "documents"),
    "/tokenize": ("model", "messages", "prompt"),
    "/admin/keys": (*NewKey.model_fields, "unknown"),
    "/admin/routes/r": ("to", "fallback", "name", "unknown"),
}  # fmt: skip
EVERY = list(GOOD)
RELAYED = [path for _, path in EVERY if "/admin/" not in path]
Affinity = Literal["none", "session", "prefix"]


@dataclass(slots=True)
class Door:
    http: httpx.AsyncClient
    """Brings an administrator's key."""
    behind: Upstream

    async def listed(self) -> list[Any]:
        """What can be changed."""
        paths = ("/admin/keys", "/admin/routes")
        return [(await self.http.get(path)).json()["data"] for path in paths]


@asynccontextmanager
async def door(file: Path, affinity: Affinity = "none") -> AsyncIterator[Door]:
    ledger = Ledger.open(file)
    _, text = ledger.create_key(NewKey(name="boss", admin=True), now=1.0)
    ledger.close()
    settings = GatewaySettings(affinity=affinity)
    async with upstream(says(whole(b'{"choices":[]}'))) as worker:
        seen = view(worker.url, slots=1000)
        async with gateway(seen, settings=settings, ledger_file=str(file)) as served:
            served.client.headers["authorization"] = f"Bearer {text}"
            yield Door(served.client, worker)


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return tmp_path / "ledger.db"


def demand_typed(answer: httpx.Response, what: object) -> dict[str, Any]:
    """The error in `answer`: law TYPED."""
    error: dict[str, Any] = answer.json()["error"]
    assert set(error) == {"message", "type", "param", "code", "request_id"}, what
    assert error["request_id"] == answer.headers["x-request-id"], what
    assert error["message"] and error["type"] == "invalid_request_error", (what, error)
    for inside in ("Traceback", "site-packages", ".py"):
        assert inside not in answer.text, (what, answer.text)
    return error


@pytest.mark.parametrize(("method", "path"), EVERY)
async def test_a_spoiled_body_is_refused_and_changes_nothing(
    method: str, path: str, file: Path
) -> None:
    async with door(file) as its:
        before = await its.listed()
        for name, body in spoiled(GOOD[method, path]).items():
            answer = await its.http.request(method, path, content=body, headers=JSON)
            refusal = (answer.status_code, demand_typed(answer, name)["code"])
            assert refusal in ((400, "invalid_json"), (413, "request_too_large")), (name, refusal)
        assert await its.listed() == before
        assert its.behind.received == []
        good = await its.http.request(method, path, json=GOOD[method, path])
        assert good.is_success, good.text


@pytest.mark.parametrize(("method", "path"), EVERY)
async def test_a_million_keys_are_too_many(method: str, path: str, file: Path) -> None:
    async with door(file) as its:
        before = await its.listed()
        body = with_a_million_keys(GOOD[method, path])
        answer = await its.http.request(method, path, content=body, headers=JSON)
        assert answer.status_code in (400, 413), answer.text
        demand_typed(answer, path)
        assert await its.listed() == before
        assert its.behind.received == []


@pytest.mark.parametrize("affinity", ["none", "session", "prefix"])
@pytest.mark.parametrize("path", RELAYED)
async def test_a_wrong_value_in_any_field_is_no_fault_of_the_gateway(
    path: str, affinity: Affinity, file: Path
) -> None:
    """What the gateway does not look at is for the worker to refuse."""
    async with door(file, affinity) as its:
        for field in FIELDS[path]:
            for value in WRONG:
                body = json.dumps(GOOD["POST", path] | {field: value})
                answer = await its.http.post(path, content=body, headers=JSON)
                what = (field, repr(value)[:50])
                assert answer.status_code < 500, (what, answer.text)
                if answer.status_code >= 400:
                    demand_typed(answer, what)


@pytest.mark.parametrize(("method", "path"), EVERY[len(RELAYED) :])
async def test_a_wrong_value_in_any_field_of_a_wish_changes_nothing(
    method: str, path: str, file: Path
) -> None:
    async with door(file) as its:
        before = await its.listed()
        for field in FIELDS[path]:
            for value in WRONG:
                body = json.dumps(GOOD[method, path] | {field: value})
                answer = await its.http.request(method, path, content=body, headers=JSON)
                what = (field, repr(value)[:50])
                assert answer.status_code < 500, (what, answer.text)
                if answer.is_success:
                    before = await its.listed()
                    continue
                demand_typed(answer, what)
                assert await its.listed() == before, what


@pytest.mark.parametrize(
    "name",
    [
        "accept", "content-type", "cookie", "idempotency-key", "origin", "referer", "traceparent",
        "tracestate", "user-agent", "x-forwarded-for", "x-priority", "x-request-id",
        "x-request-timeout", "x-session-id", "x-shortline-deadline-ms", "x-shortline-gateway",
        "x-shortline-reading-key", "x-shortline-secret", "openai-organization",
    ],
)  # fmt: skip
async def test_no_header_makes_it_fail(name: str, file: Path) -> None:
    values = (
        b"", b"0", b"-1", b"1e999", b"nan", b"x" * 30_000, b"9" * 5_000, b"\xff\xfe", b",;\t=\"'",
        "你好".encode(), b"00-" + b"f" * 32 + b"-" + b"f" * 16 + b"-01", b"{{7*7}} {0.x} %s",
    )  # fmt: skip
    method, path = EVERY[0]
    async with door(file, "session") as its:
        for value in values:
            headers = {b"content-type": b"application/json", name.encode(): value}
            sent = json.dumps(GOOD[method, path])
            answer = await its.http.request(method, path, content=sent, headers=headers)
            assert answer.status_code < 500, (value[:50], answer.text)
            if answer.status_code >= 400:
                demand_typed(answer, value[:50])


@pytest.mark.parametrize("scheme", [b"Bearer ", b"Basic ", b"", b"bearer\t"])
async def test_no_key_makes_it_fail(scheme: bytes, file: Path) -> None:
    keys = (b"", b"\xff", b"x" * 30_000, b"sk-sl-", b"sk-sl-" + b"\x80" * 43, b"sk-sl-" * 9)
    async with door(file) as its:
        for key in keys:
            headers = {b"authorization": (scheme + key).strip()}
            answer = await its.http.get("/v1/models", headers=headers)
            assert answer.status_code == 401, (key[:50], answer.text)
            demand_typed(answer, key[:50])
