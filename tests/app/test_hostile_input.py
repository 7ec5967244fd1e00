"""Requests that nobody's browser sends: each is refused in our own words, and changes nothing."""

from __future__ import annotations

from typing import Any

import httpx

from server.wire.browser import ChatRequest, ConversationChange, NewConversation
from tests.app.conftest import App

JSON = {"content-type": "application/json"}
NOBODY = "0" * 32

BAD_BODIES: dict[str, bytes] = {
    "empty": b"",
    "no JSON": b"{",
    "trailing text": b'{"query":"a"} x',
    "a list": b"[]",
    "null": b"null",
    "not a number": b'{"query":"a","temperature":NaN}',
    "infinite": b'{"query":"a","temperature":1e999}',
    "half a character": b'{"query":"\\ud800"}',
    "NUL": b'{"query":"a\\u0000b"}',
    "bad UTF-8": b'{"query":"\xff"}',
    "UTF-16": '{"query":"a"}'.encode("utf-16"),
    "byte order mark": b'\xef\xbb\xbf{"query":"a"}',
    "the same key twice": b'{"query":"a","query":"b"}',
    "deep": b'{"query":"a","x":' + b"[" * 100 + b"]" * 100 + b"}",
    "very deep": b"[" * 100_000,
    "endless number": b'{"query":"a","seed":' + b"9" * 5_000 + b"}",
    "very many values": b'{"query":"a","x":[' + b"1," * 600_000 + b"1]}",
    "white space": b'{"query":" \\n "}',
    "empty question": b'{"query":""}',
    "long question": b'{"query":"' + b"a" * 200_001 + b'"}',
    "no question": b"{}",
    "not an id": b'{"query":"a","conversation_id":"../../etc/passwd"}',
    "another kind of chat": b'{"query":"a","chat_type":"shell"}',
    "many stops": b'{"query":"a","stop":["1","2","3","4","5"]}',
    "too many tokens": b'{"query":"a","max_tokens":9223372036854775808}',
    "turns of somebody else": b'{"query":"a","history":[{"role":"system","content":"x"}]}',
}
WRONG: tuple[Any, ...] = (None, True, -1, 1.5, "x", [], {}, [None], {"a": None}, "9" * 300)


def is_typed(answer: httpx.Response) -> bool:
    error = answer.json()["error"]
    text = answer.text
    return bool(
        {"message", "type", "code", "param", "request_id"} == set(error)
        and "Traceback" not in text
        and "site-packages" not in text
        and "server/" not in text
    )


async def test_a_bad_body_is_refused_and_stores_nothing(app: App) -> None:
    for name, body in BAD_BODIES.items():
        answer = await app.client.post("/api/chat", content=body, headers=JSON)
        assert answer.status_code == 400, name
        assert is_typed(answer), name
    assert (await app.client.get("/api/conversations")).json()["items"] == []


async def test_a_body_beyond_the_limit_is_refused_with_and_without_its_length(app: App) -> None:
    body = b'{"query":"' + b"a" * (2 * 1024 * 1024) + b'"}'

    async def drip() -> Any:
        for at in range(0, len(body), 65536):
            yield body[at : at + 65536]

    for content in (body, drip()):
        answer = await app.client.post("/api/chat", content=content, headers=JSON)
        assert answer.status_code == 413
        assert is_typed(answer)


async def test_what_is_not_declared_as_json_is_not_read(app: App) -> None:
    for media in ("text/plain", "application/x-www-form-urlencoded", "application/jsonp", None):
        headers = {} if media is None else {"content-type": media}
        answer = await app.client.post("/api/chat", content=b'{"query":"a"}', headers=headers)
        assert answer.status_code == 415, media
        assert is_typed(answer)


async def test_a_wrong_value_in_any_field_is_no_fault_of_the_server(app: App) -> None:
    made = (await app.client.post("/api/conversations", json={})).json()
    places: list[tuple[str, str, set[str], dict[str, Any]]] = [
        ("POST", "/api/chat", set(ChatRequest.model_fields), {"query": "a", "stream": False}),
        ("POST", "/api/conversations", set(NewConversation.model_fields), {}),
        ("PATCH", f"/api/conversations/{made['id']}", set(ConversationChange.model_fields), {}),
    ]
    for method, path, fields, base in places:
        for field in sorted(fields):
            for value in WRONG:
                if field == "stream" and value is True:
                    continue
                answer = await app.client.request(method, path, json={**base, field: value})
                assert answer.status_code < 500, (path, field, value, answer.text)
                if answer.status_code >= 400:
                    assert is_typed(answer)


async def test_an_error_names_the_field(app: App) -> None:
    bodies = {
        "temperature": {"query": "a", "temperature": 3},
        "query": {},
        "stop.0": {"query": "a", "stop": [1]},
        "history.0.role": {"query": "a", "history": [{"role": "x", "content": ""}]},
    }
    for field, body in bodies.items():
        answer = await app.client.post("/api/chat", json=body)
        assert (answer.status_code, answer.json()["error"]["param"]) == (400, field)


async def test_fields_that_other_products_send_are_ignored(app: App) -> None:
    odd: dict[str, object] = {"api_base": "http://127.0.0.1:1", "tools": ["shell"], "owner": "root"}
    body = {"query": "a", "stream": False} | odd
    answer = await app.client.post("/api/chat", json=body)
    assert answer.status_code == 200


async def test_a_bad_parameter_of_the_list_is_refused(app: App) -> None:
    queries = [
        *(f"limit={value}" for value in ("0", "101", "x", "-1", "", "1e3", "9" * 5_000)),
        *(f"cursor={value}" for value in ("nonsense", "a" * 5_000, "%00")),
        *(f"q={value}" for value in ("%00", "a" * 201)),
    ]
    for query in queries:
        answer = await app.client.get(f"/api/conversations?{query}")
        assert answer.status_code == 400, query
        assert is_typed(answer)


async def test_bad_parameters_of_one_conversation_are_refused(app: App) -> None:
    one = (await app.client.post("/api/conversations", json={})).json()["id"]
    for rest in ("messages?before=x", "messages?limit=0", "export?format=exe", "export?format="):
        answer = await app.client.get(f"/api/conversations/{one}/{rest}")
        assert answer.status_code == 400, rest
        assert is_typed(answer)


async def test_an_id_that_is_nobodys_is_not_found(app: App) -> None:
    for id in (NOBODY, "A" * 32, "x", "..%2f..", "%00", "a" * 5_000, "1 or 1=1"):
        calls = [
            ("GET", f"/api/conversations/{id}"),
            ("PATCH", f"/api/conversations/{id}"),
            ("DELETE", f"/api/conversations/{id}"),
            ("GET", f"/api/conversations/{id}/messages"),
            ("GET", f"/api/conversations/{id}/export"),
            ("GET", f"/api/chat/{id}/events"),
            ("POST", f"/api/chat/{id}/stop"),
            ("POST", f"/api/fleet/workers/{id}/stop"),
        ]
        for method, path in calls:
            json = {"pinned": True} if method == "PATCH" else None
            answer = await app.client.request(method, path, json=json)
            assert answer.status_code == 404, (method, path, answer.text)
            assert is_typed(answer)


async def test_an_id_inside_a_body_must_be_the_owners(app: App) -> None:
    one = (await app.client.post("/api/conversations", json={})).json()["id"]
    bodies = (
        {"conversation_id": NOBODY},
        {"parent_id": NOBODY},
        {"parent_id": NOBODY, "conversation_id": one},
    )
    for body in bodies:
        assert (await app.ask(**body)).status_code == 404
    answer = await app.client.patch(f"/api/conversations/{one}", json={"leaf_id": NOBODY})
    assert answer.status_code == 404


async def test_a_bad_idempotency_key_is_refused(app: App) -> None:
    for key in ("", "a" * 201, "a b", "\u00e9"):
        headers = {b"idempotency-key": key.encode()}
        answer = await app.client.post("/api/chat", json={"query": "a"}, headers=headers)
        assert answer.status_code == 400, key
        assert answer.json()["error"]["param"] == "Idempotency-Key"


async def test_a_bad_place_to_go_on_from_is_refused(app: App) -> None:
    for place in ("x", "-1", "1.5", "9" * 30, "\u0661"):
        headers = {b"last-event-id": place.encode()}
        answer = await app.client.get(f"/api/chat/{NOBODY}/events", headers=headers)
        assert answer.status_code == 400, place
        assert is_typed(answer)


async def test_pages_of_other_sites_may_not_call(app: App) -> None:
    strangers = [
        ({"host": "evil.example"}, "bad_host"),
        ({"host": "127.0.0.1.evil.example"}, "bad_host"),
        ({"origin": "https://evil.example"}, "bad_origin"),
        ({"origin": "null"}, "bad_origin"),
        ({"origin": "http://127.0.0.1.evil.example"}, "bad_origin"),
    ]
    for headers, code in strangers:
        answer = await app.client.post("/api/chat", json={"query": "a"}, headers=headers)
        assert answer.status_code == 403
        assert answer.json()["error"]["code"] == code
        assert "access-control-allow-origin" not in answer.headers


async def test_what_is_not_a_route_says_so_in_json(app: App) -> None:
    calls = [
        ("GET", "/api", 404),
        ("GET", "/api/", 404),
        ("GET", "/api/nothing", 404),
        ("GET", "/api/conversations/", 404),
        ("GET", "/API/conversations", 404),
        ("GET", "//api/conversations", 404),
        ("GET", "/api/%2e%2e/api/conversations", 404),
        ("GET", "/api/chat", 405),
        ("PUT", "/api/conversations", 405),
        ("DELETE", "/api/fleet", 405),
        ("POST", "/api/models", 405),
        ("TRACE", "/api/models", 405),
    ]
    for method, path, status in calls:
        answer = await app.client.request(method, app.url + path)
        assert answer.status_code == status, (method, path)
        assert is_typed(answer)
