from __future__ import annotations

import pytest

from server.core.errors import MethodNotAllowed
from tests.gateway.conftest import gateway, view


@pytest.mark.parametrize("path", ["/v1/models", "/v1/models/m", "/openapi.json", "/livez"])
async def test_head_says_what_get_would_and_nothing_more(path: str) -> None:
    async with gateway(view("http://127.0.0.1:9")) as served:
        told, head = await served.client.get(path), await served.client.head(path)
        assert (head.status_code, head.content) == (200, b"")
        assert head.headers["content-type"] == told.headers["content-type"]
        assert (await served.client.get("/v1/models")).status_code == 200, "on the same connection"


@pytest.mark.parametrize(
    ("method", "path", "allowed"),
    [
        ("PUT", "/v1/chat/completions", "GET, POST"),
        ("GET", "/v1/completions", "POST"),
        ("POST", "/v1/models", "GET, HEAD"),
        ("GET", "/v1/messages", "POST"),
        ("GET", "/v1/responses", "POST"),
        ("PUT", "/v1/responses/resp_1", "GET, DELETE"),
    ],
)
async def test_a_wrong_method_is_told_the_right_ones(method: str, path: str, allowed: str) -> None:
    async with gateway(view("http://127.0.0.1:9")) as served:
        answer = await served.client.request(method, path)
        assert (answer.status_code, answer.headers["allow"]) == (405, allowed)


def test_all_that_are_allowed_are_named() -> None:
    error = MethodNotAllowed("PUT", "DELETE")
    assert error.message == "This path takes PUT or DELETE only."
    assert error.headers == ((b"allow", b"PUT, DELETE"),)


async def test_a_body_that_is_not_there_is_told_so() -> None:
    async with gateway(view("http://127.0.0.1:9")) as served:
        answer = await served.client.post("/v1/chat/completions")
        assert "it is empty" in answer.json()["error"]["message"]


async def test_a_long_name_is_told_in_part() -> None:
    async with gateway(view("http://127.0.0.1:9")) as served:
        answer = await served.client.get("/v1/models/" + "x" * 9000)
        assert answer.status_code == 404
        assert len(answer.content) < 600
