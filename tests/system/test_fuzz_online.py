"""Requests that no gateway sends, to an online worker: none makes it fail.

Its provider is another Shortline, so what it refuses is refused by somebody who means it.
"""

from __future__ import annotations

from collections.abc import Iterator
from copy import deepcopy
from typing import Any

import pytest
import requests
import schemathesis
from schemathesis import Case

from server.gateway.openapi.document import document as gateway_document
from server.wire.fleet import SECRET_HEADER
from server.worker.online.relay import PATHS
from tests.system.fuzzing import Target, bounded, operations
from tests.system.launch import Launch, launched, write_home

pytestmark = [pytest.mark.system, pytest.mark.slow]

SECRET = "a-secret-of-this-test-0123456789abcdef"
MODEL = "mirror"
PROVIDER = """\
name: mirror
base_url_env: MIRROR_BASE_URL
api_key_optional: true
models: [{name: mirror, upstream: echo}]
abilities: [chat, completions, embeddings, rerank]
"""


def _document() -> dict[str, Any]:
    """What the gateway passes on, of the one model that is there."""
    found = deepcopy(gateway_document())
    found["paths"] = {path: {"post": found["paths"][path]["post"]} for path in PATHS}
    for schema in found["components"]["schemas"].values():
        if "model" in schema.get("properties", {}):
            schema["properties"]["model"] = {"enum": [MODEL]}
    return found


DOCUMENT = _document()
online_api = schemathesis.openapi.from_dict(DOCUMENT)
online_api.config.generation.with_security_parameters = False


@pytest.fixture(scope="module")
def provider(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Launch]:
    home = tmp_path_factory.mktemp("provider") / "home"
    write_home(home)
    with launched(home) as launch:
        yield launch


@pytest.fixture(scope="module")
def running(provider: Launch, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Launch]:
    home = tmp_path_factory.mktemp("online") / "home"
    write_home(home, enabled=False)
    (home / "configs/providers/mirror.yaml").write_text(PROVIDER, "utf-8")
    environ = {"SHORTLINE_CONTROLLER__SECRET": SECRET, "MIRROR_BASE_URL": provider.base_url}
    with launched(home, **environ) as launch:
        yield launch


@pytest.fixture(scope="module")
def online(running: Launch) -> Iterator[Target]:
    with requests.Session() as session:
        session.trust_env = False
        yield Target(running.address("online_api mirror"), session, {SECRET_HEADER: SECRET})


@online_api.parametrize()
@bounded(40)
def test_no_request_makes_the_online_worker_fail(case: Case[Any], online: Target) -> None:
    online.ask(case)


def test_then_every_operation_of_the_online_worker_has_served_somebody(online: Target) -> None:
    assert operations(DOCUMENT) - set(online.served) == set()


def test_then_both_still_answer(provider: Launch, running: Launch) -> None:
    hello = {"model": MODEL, "prompt": "still there?"}
    answer = requests.post(f"{running.base_url}/completions", json=hello, timeout=20)
    assert answer.json()["choices"][0]["text"] == "still there?"
    for launch in (provider, running):
        assert {row["restarts"] for row in launch.rows().values()} == {0}
