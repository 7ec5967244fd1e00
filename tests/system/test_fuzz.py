"""Thousands of requests made from the gateway's own OpenAPI document: none makes it fail.

Each operation gets what its schema allows, and the same with every part of it broken in turn.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from copy import deepcopy
from typing import Any

import pytest
import requests
import schemathesis
from schemathesis import Case
from schemathesis.checks import response_schema_conformance

from server.gateway.openapi.document import document
from tests.system.fuzzing import ANSWER_S, Target, bounded, operations
from tests.system.launch import Launch, command, launched, write_home
from tests.system.refusals import demand_typed

pytestmark = [pytest.mark.system, pytest.mark.slow]

MODEL = "echo"
ROUTES = ["a", "b c", "d/e", "路"]
TAKES_MODEL = (
    "ChatRequest",
    "CompletionRequest",
    "EmbeddingRequest",
    "RerankRequest",
    "TokenizeRequest",
    "DetokenizeRequest",
    "MessagesRequest",
    "CountRequest",
    "ResponseWish",
)
MINE = "mine"
"""Stands for something kept that is there."""
KEPT: dict[str, tuple[str, dict[str, Any]]] = {
    "response_id": ("responses", {"input": "one two three", "background": True}),
    "completion_id": (
        "chat/completions",
        {"messages": [{"role": "user", "content": "one two three"}], "store": True},
    ),
    "conversation_id": ("conversations", {"items": [{"role": "user", "content": "one"}]}),
}
"""By what a path calls it: where it is made, and of what."""
NOBODYS = {"DELETE /admin/keys/{id}", "POST /admin/servers", "DELETE /admin/servers/{name}"}
"""No key has an id that is made up, and no server is there to join (`test_joining` has one)."""
ENDS = (
    "data: [DONE]",
    'event: message_stop\ndata: {"type":"message_stop"}',
    "event: response.completed\n",
    "event: response.incomplete\n",
    "event: response.failed\n",
)
CHANGING = ("POST", "PUT", "DELETE", "PATCH")


def aimed(found: dict[str, Any]) -> dict[str, Any]:
    """The document with names that exist here: random ones get no further than 404."""
    schemas, paths = found["components"]["schemas"], found["paths"]
    for name in TAKES_MODEL:
        schemas[name]["properties"]["model"] = {"enum": [MODEL]}
    paths["/v1/models/{model}"]["get"]["parameters"][0]["schema"] = {"enum": [MODEL, "no", "e/o"]}
    schemas["ResponseWish"]["properties"]["previous_response_id"] = {"enum": [None, "resp_none"]}
    for path, methods in paths.items():
        if any(f"{{{name}}}" in path for name in KEPT):
            for operation in methods.values():
                for parameter in operation["parameters"]:
                    if parameter["in"] == "path":
                        parameter["schema"] = {"enum": [MINE, "none"]}
    for operation in paths["/admin/routes/{name}"].values():
        operation["parameters"][0]["schema"] = {"enum": ROUTES}
    return found


DOCUMENT = aimed(deepcopy(document()))
api = schemathesis.openapi.from_dict(DOCUMENT)
api.config.generation.with_security_parameters = False


class Product(Target):
    launch: Launch

    def listed(self) -> list[Any]:
        """What an administrator can change."""
        keys = [(key["id"], key["revoked"]) for key in self.get("/admin/keys")["data"]]
        return [sorted(keys), self.get("/admin/routes")["data"]]

    def kept(self, name: str) -> str:
        """The id of a new one."""
        path, fields = KEPT[name]
        answer = self.session.post(
            f"{self.url}/v1/{path}",
            data=json.dumps(fields | {"model": MODEL}),
            headers=self.headers,
            timeout=ANSWER_S,
        )
        return str(answer.json()["id"])

    def item_of(self, conversation: str) -> str:
        """The id of its only item."""
        return str(self.get(f"/v1/conversations/{conversation}/items")["data"][0]["id"])


@pytest.fixture(scope="module")
def product(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Product]:
    home = tmp_path_factory.mktemp("fuzz") / "home"
    write_home(home)
    made = command(home, "key", "create", "boss", "--admin")
    key = re.search(r"sk-sl-[\w-]+", made.stdout)
    assert key, made
    with launched(home) as launch, requests.Session() as session:
        session.trust_env = False
        headers = {"Authorization": f"Bearer {key[0]}"}
        # A client may give us a millisecond.
        product = Product(launch.address("openai_api"), session, headers, ("deadline_exceeded",))
        product.launch = launch
        yield product


@api.parametrize()
@bounded(100)
def test_no_request_makes_it_fail(case: Case[Any], product: Product) -> None:
    before = product.listed() if case.method in CHANGING and "/admin/" in case.path else None
    place = case.path_parameters
    for name in KEPT:
        if place.get(name) == MINE:
            place[name] = product.kept(name)
            if place.get("item_id") == MINE:
                place["item_id"] = product.item_of(place[name])
    answer = product.ask(case)
    if answer.status_code < 400:
        case.validate_response(answer, checks=[response_schema_conformance])
    elif before is not None:
        assert product.listed() == before
    if answer.headers.get("content-type", "").startswith("text/event-stream"):
        last = answer.text.strip().split("\n\n")[-1]
        assert last.startswith(ENDS) or 'data: {"error":' in last or "event: error\n" in last, last


def test_then_every_operation_has_served_somebody(product: Product) -> None:
    """Else it was the gateway's door that was tried and nothing behind it."""
    assert operations(DOCUMENT) - set(product.served) == NOBODYS


def test_then_it_still_answers(product: Product) -> None:
    hello = {"model": MODEL, "messages": [{"role": "user", "content": "still there?"}]}
    url = f"{product.url}/v1/chat/completions"
    answer = product.session.post(
        url, data=json.dumps(hello), headers=product.headers, timeout=ANSWER_S
    )
    assert answer.json()["choices"][0]["message"]["content"] == "still there?"
    assert {row["restarts"] for row in product.launch.rows().values()} == {0}


def test_the_document_is_served_to_whoever_has_a_key(product: Product) -> None:
    assert product.get("/openapi.json") == document()


def test_without_a_key_nothing_but_health_is_told(product: Product) -> None:
    for operation in sorted(operations(DOCUMENT)):
        method, path = operation.split()
        url = product.url + path.replace("{", "").replace("}", "")
        answer = product.session.request(method, url, json={}, timeout=ANSWER_S)
        if path in ("/livez", "/readyz"):
            assert answer.json() == {"status": "ok"}
        else:
            assert answer.status_code == 401, operation
            assert demand_typed(answer)["code"] == "invalid_api_key"
