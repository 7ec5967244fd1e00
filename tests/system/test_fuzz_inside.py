"""Requests that nobody in the fleet sends, to the ports behind the gateway: none makes them fail.

They come with the fleet's secret, as from a worker or gateway that has gone mad.
"""

from __future__ import annotations

from base64 import b64encode
from collections.abc import Iterator
from copy import deepcopy
from typing import Any

import pytest
import requests
import schemathesis
from schemathesis import Case

from server.gateway.openapi.document import document as gateway_document
from server.wire.fastchat import ErrorCode, HeartBeat, ModelAsked, RegisterWorker
from server.wire.fleet import SECRET_HEADER, Beat, FleetView, Registration, WorkerRef
from server.worker.local.fastchat import Count, Embed, Generate
from tests.system.documents import Route, described
from tests.system.fuzzing import ANSWER_S, Target, bounded, operations
from tests.system.launch import Launch, launched, write_home

pytestmark = [pytest.mark.system, pytest.mark.slow]

SECRET = "a-secret-of-this-test-0123456789abcdef"
MODEL = "echo"
INTERNAL = f'"error_code":{ErrorCode.INTERNAL_ERROR:d}'
"""FastChat's 500, in an answer with status 200."""
ADDRESSES = [f"http://127.0.0.1:{port}" for port in (9, 10, 65535)]
OPENAI = (
    "/v1/chat/completions", "/v1/completions", "/v1/embeddings", "/v1/rerank", "/tokenize",
    "/v1/models",
)  # fmt: skip
CONTROLLER = described(
    [
        Route("GET", "/fleet"),
        Route("POST", "/fleet/register", Registration),
        Route("POST", "/fleet/beat", Beat),
        Route("POST", "/fleet/drain", WorkerRef),
        Route("POST", "/fleet/resume", WorkerRef),
        Route("POST", "/fleet/leave", WorkerRef),
        Route("POST", "/fleet/lost", WorkerRef),
        Route("POST", "/register_worker", RegisterWorker),
        Route("POST", "/receive_heart_beat", HeartBeat),
        Route("POST", "/refresh_all_workers"),
        Route("POST", "/list_models"),
        Route("POST", "/list_language_models"),
        Route("POST", "/list_multimodal_models"),
        Route("POST", "/get_worker_address", ModelAsked),
        Route("POST", "/worker_get_status"),
        Route("POST", "/worker_generate", Generate),
        Route("POST", "/worker_generate_stream", Generate),
        Route("POST", "/count_token", Count),
        Route("GET", "/test_connection"),
        Route("GET", "/livez"),
        Route("GET", "/readyz"),
    ]
)
WORKER = described(
    [
        Route("POST", "/worker_generate", Generate),
        Route("POST", "/worker_generate_stream", Generate),
        Route("POST", "/worker_get_embeddings", Embed),
        Route("POST", "/worker_get_status"),
        Route("POST", "/count_token", Count),
        Route("POST", "/worker_get_conv_template"),
        Route("POST", "/model_details"),
        Route("GET", "/worker/stats"),
        Route("GET", "/livez"),
        Route("GET", "/readyz"),
    ]
)


def _aim(found: dict[str, Any]) -> None:
    """At what exists here, and at no address beyond this machine."""
    for schema in found["components"]["schemas"].values():
        fields = schema.get("properties", {})
        if "address" in fields:
            fields["address"] = {"enum": ADDRESSES}
        if "worker_name" in fields:
            fields["worker_name"] = {"enum": ADDRESSES}
            if "worker_status" in fields:
                fields["worker_status"] = {"$ref": "#/components/schemas/WorkerStatus"}
                schema["required"].append("worker_status")
        if "model" in fields:
            fields["model"] = {"enum": [MODEL]}
    for name in ("Generate", "Count"):
        if name in found["components"]["schemas"]:
            found["components"]["schemas"][name]["properties"]["model"] = {"enum": [MODEL]}


def _with_openai(found: dict[str, Any]) -> None:
    """The worker understands what the gateway passes on."""
    whole = deepcopy(gateway_document())
    found["paths"] |= {path: whole["paths"][path] for path in OPENAI}
    chats = "/v1/chat/completions"
    found["paths"][chats] = {"post": whole["paths"][chats]["post"]}  # gateways keep them
    found["components"]["schemas"] |= whole["components"]["schemas"]


_with_openai(WORKER)
for found in (CONTROLLER, WORKER):
    _aim(found)
controller_api = schemathesis.openapi.from_dict(CONTROLLER)
worker_api = schemathesis.openapi.from_dict(WORKER)
worker_api.config.generation.with_security_parameters = False


@pytest.fixture(scope="module")
def running(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Launch]:
    home = tmp_path_factory.mktemp("inside") / "home"
    write_home(home)
    with launched(home, "--llm-api", SHORTLINE_CONTROLLER__SECRET=SECRET) as launch:
        yield launch


def _target(launch: Launch, name: str, *wished: str) -> Iterator[Target]:
    with requests.Session() as session:
        session.trust_env = False
        basic = b64encode(f"fastchat:{SECRET}".encode()).decode()  # as FastChat's workers send it
        headers = {SECRET_HEADER: SECRET, "Authorization": f"Basic {basic}"}
        yield Target(launch.address(name), session, headers, wished)


@pytest.fixture(scope="module")
def controller(running: Launch) -> Iterator[Target]:
    # Without a status in its registration a worker is asked for it, and there is none.
    yield from _target(running, "controller", "upstream_failed")


@pytest.fixture(scope="module")
def worker(running: Launch) -> Iterator[Target]:
    yield from _target(running, "model_worker echo")


@worker_api.parametrize()
@bounded(40)
def test_no_request_makes_the_worker_fail(case: Case[Any], worker: Target) -> None:
    answer = worker.ask(case)
    assert INTERNAL not in answer.text, answer.text


def test_then_every_operation_of_the_worker_has_served_somebody(worker: Target) -> None:
    assert operations(WORKER) - set(worker.served) == set()


@controller_api.parametrize()
@bounded(40)
def test_no_request_makes_the_controller_fail(case: Case[Any], controller: Target) -> None:
    before = _fleet(controller) if case.path.startswith("/fleet/") else None
    answer = controller.ask(case)
    if before is not None and answer.status_code >= 400:
        assert {worker.address for worker in _fleet(controller).workers} <= {
            worker.address for worker in before.workers
        }


def test_then_every_operation_of_the_controller_has_served_somebody(controller: Target) -> None:
    assert operations(CONTROLLER) - set(controller.served) == set()


def test_then_the_product_still_answers(running: Launch) -> None:
    hello = {"model": MODEL, "prompt": "still there?"}
    answer = requests.post(f"{running.base_url}/completions", json=hello, timeout=ANSWER_S)
    assert answer.json()["choices"][0]["text"] == "still there?"
    assert {row["restarts"] for row in running.rows().values()} == {0}


def _fleet(controller: Target) -> FleetView:
    """As a gateway reads it: what cannot be read would cut every gateway off."""
    return FleetView.model_validate(controller.get("/fleet"))
