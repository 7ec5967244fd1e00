"""The running product as the browser tests see it from behind: what it has stored."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from urllib.parse import urlsplit

import httpx
import yaml

from server.wire.browser import (
    Conversation,
    ConversationPage,
    FleetReport,
    Message,
    MessagePage,
    ProcessReport,
)
from tests.system.launch import Launch, launched, until

SLOW_S = 0.02
"""Between two words of the model `slow`."""
ECHO = {"name": "echo", "path": "echo", "engine": "echo"}
SLOW = ECHO | {"name": "slow", "options": {"delay_ms": SLOW_S * 1000}}
LOST = ECHO | {"name": "lost"}
MINI = {
    "name": "shortline-mini",
    "path": "bundled:shortline-mini",
    "engine": "transformers",
    "device": "cpu",
    "threads": 1,
}
ENDED_S = 30.0
WIDE = "字\N{MATHEMATICAL FRAKTUR CAPITAL U}"
"""The second of these takes two places in a browser's strings."""


class Server:
    def __init__(self, launch: Launch) -> None:
        self.launch = launch
        self.url = launch.address("api")
        self._http = httpx.Client(base_url=self.url, trust_env=False, timeout=20)

    @property
    def port(self) -> int:
        port = urlsplit(self.url).port
        assert port is not None
        return port

    def get(self, path: str) -> httpx.Response:
        return self._http.get(path)

    def conversation(self, id: str) -> Conversation:
        return Conversation.model_validate_json(self._get(f"/api/conversations/{id}"))

    def found(self, words: str) -> list[Conversation]:
        page = self._http.get("/api/conversations", params={"q": words}).raise_for_status()
        return list(ConversationPage.model_validate_json(page.content).items)

    def messages(self, id: str) -> list[Message]:
        """The branch the reader is at."""
        path = f"/api/conversations/{id}/messages"
        return list(MessagePage.model_validate_json(self._get(path)).items)

    def last(self, id: str) -> Message:
        return self.messages(id)[-1]

    def ended(self, id: str) -> Message:
        """The last message, once nothing is written to it any more."""
        until(lambda: self.last(id).status != "running", ENDED_S)
        return self.last(id)

    def worker(self, model: str) -> ProcessReport:
        report = FleetReport.model_validate_json(self._get("/api/fleet"))
        name = f"model_worker {model}"
        return next(process for process in report.processes if process.name == name)

    def ask(self, query: str, **fields: object) -> str:
        """A conversation with this question, made behind the browser's back."""
        body = {"query": query, "stream": False, "model": "echo"} | fields
        answer = self._http.post("/api/chat", json=body).raise_for_status()
        return str(answer.json()["conversation_id"])

    def create(self, **fields: object) -> str:
        made = self._http.post("/api/conversations", json=fields).raise_for_status()
        return str(made.json()["id"])

    def rename(self, id: str, name: str) -> None:
        self._http.patch(f"/api/conversations/{id}", json={"name": name}).raise_for_status()

    def _get(self, path: str) -> bytes:
        return self._http.get(path).raise_for_status().content


@contextmanager
def served(home: Path, models: Sequence[Mapping[str, object]], **environ: str) -> Iterator[Server]:
    """`startup.py -a` with these models, ready in the block."""
    (home / "configs/providers").mkdir(parents=True)
    fleet = yaml.safe_dump({"models": [dict(model) for model in models]})
    (home / "configs/fleet.yaml").write_text(fleet, "utf-8")
    with launched(home, "-a", **environ) as launch:
        yield Server(launch)


def sentence(words: int, name: str = "w") -> str:
    """Words that tell where they stand."""
    return " ".join(f"{name}{n}{'' if n % 7 else WIDE}" for n in range(words))
