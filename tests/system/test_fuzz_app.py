"""Requests that no browser sends, made from what the app server reads: none makes it fail."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
import requests
import schemathesis
from schemathesis import Case

from server.wire.browser import (
    MAX_PAGE,
    ChatRequest,
    ConversationChange,
    ConversationPage,
    NewConversation,
)
from tests.system.documents import Route, described
from tests.system.fuzzing import ANSWER_S, Target, bounded, operations
from tests.system.launch import Launch, launched, write_home

pytestmark = [pytest.mark.system, pytest.mark.slow]

IDS = ["0" * 32, "f" * 32]
"""The first stands for one that is there: its id is put in before a request is sent."""
ID: dict[str, Any] = {"enum": IDS}
LIMIT = {"type": "integer", "minimum": 1, "maximum": MAX_PAGE}
TEXT = {"type": "string", "maxLength": 300}
PLACE = {"type": "integer", "minimum": 0, "maximum": 10**9 - 1}
DOCUMENT = described(
    [
        Route("POST", "/api/chat", ChatRequest, headers=(("Idempotency-Key", TEXT),)),
        Route("GET", "/api/chat/{id}/events", ids=ID, headers=(("Last-Event-ID", PLACE),)),
        Route("POST", "/api/chat/{id}/stop", ids=ID),
        Route("GET", "/api/conversations", query=(("limit", LIMIT), ("cursor", TEXT), ("q", TEXT))),
        Route("POST", "/api/conversations", NewConversation),
        Route("GET", "/api/conversations/{id}", ids=ID),
        Route("PATCH", "/api/conversations/{id}", ConversationChange, ids=ID),
        Route(
            "GET", "/api/conversations/{id}/messages", query=(("limit", LIMIT), ("before", ID)),
            ids=ID,
        ),
        Route(
            "GET", "/api/conversations/{id}/export",
            query=(("format", {"enum": ["json", "markdown"]}),), ids=ID,
        ),
        Route("DELETE", "/api/conversations/{id}", ids=ID),
        Route("GET", "/api/models"),
        Route("GET", "/api/fleet"),
        Route("POST", "/api/fleet/workers/{name}/restart", ids={"enum": ["nobody", "a/b"]}),
        Route("GET", "/livez"),
        Route("GET", "/readyz"),
    ]
)  # fmt: skip
NOBODYS = {"POST /api/fleet/workers/{name}/restart"}
"""No worker has such a name, and none is to be restarted here."""


def _aim(found: dict[str, Any]) -> None:
    """At the model that is here, and at conversations that are mostly new."""
    fields = found["components"]["schemas"]["ChatRequest"]["properties"]
    fields["model"] = {"enum": ["", "echo"]}
    for name in ("conversation_id", "parent_id"):
        fields[name] = {"enum": ["", None, *IDS]}


_aim(DOCUMENT)
api = schemathesis.openapi.from_dict(DOCUMENT)


class AppServer(Target):
    launch: Launch
    conversation: str
    message: str

    def begin(self) -> None:
        """A conversation of one message."""
        url = f"{self.url}/api/chat"
        said: dict[str, str | bool] = {"query": "hello", "stream": False}
        answer = self.session.post(url, json=said, timeout=ANSWER_S).json()
        self.conversation, self.message = answer["conversation_id"], answer["message_id"]

    def conversations(self) -> dict[str, Any]:
        """All there are, by their ids."""
        found: dict[str, Any] = {}
        cursor: str | None = ""
        while cursor is not None:
            query = f"limit={MAX_PAGE}" + (f"&cursor={cursor}" if cursor else "")
            page = ConversationPage.model_validate(self.get(f"/api/conversations?{query}"))
            found |= {item.id: item for item in page.items}
            cursor = page.next_cursor
        return found


@pytest.fixture(scope="module")
def app(tmp_path_factory: pytest.TempPathFactory) -> Iterator[AppServer]:
    home = tmp_path_factory.mktemp("fuzz-app") / "home"
    write_home(home)
    with launched(home, "-a") as launch, requests.Session() as session:
        session.trust_env = False
        app = AppServer(launch.address("api"), session, {})
        app.launch = launch
        app.begin()
        yield app


@api.parametrize()
@bounded(40)
def test_no_request_makes_it_fail(case: Case[Any], app: AppServer) -> None:
    if case.path_parameters.get("id") == IDS[0]:
        of_chat = case.path.startswith("/api/chat")
        case.path_parameters["id"] = app.message if of_chat else app.conversation
    changing = case.method not in ("GET", "HEAD")
    before = app.conversations() if changing else {}
    answer = app.ask(case)
    if changing and answer.status_code >= 400:
        assert app.conversations() == before
    if answer.headers.get("content-type", "").startswith("text/event-stream"):
        last = answer.text.strip().split("\n\n")[-1]
        assert "event: done" in last or "event: error" in last, last
    if case.method == "DELETE" and answer.status_code < 400:
        app.begin()


def test_then_every_operation_has_served_somebody(app: AppServer) -> None:
    assert operations(DOCUMENT) - set(app.served) == NOBODYS


def test_then_it_still_answers(app: AppServer) -> None:
    app.begin()
    [message] = app.get(f"/api/conversations/{app.conversation}/messages")["items"]
    assert (message["response"], message["status"]) == ("hello", "complete")
    assert {row["restarts"] for row in app.launch.rows().values()} == {0}
