"""The ways to one and the same text: straight from the gateway, from the app server, and from a
chat made the usual way. All three lead through the same gateway."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import httpx

from benchmarks.chat.asks import Place, question
from benchmarks.chat.messages import Target
from benchmarks.chat.plan import TURNS
from benchmarks.gateway.answers import MODEL
from benchmarks.gateway.messages import Ask

GATEWAY = "gateway"
APP = "app"
PEER = "peer"
_LIMIT_S = 30.0


@dataclass(frozen=True, slots=True)
class Way:
    name: str
    """Also the role of the process whose cost counts."""
    target: Callable[[str, str, Ask], Target]
    url: str

    def asking(self, ask: Ask) -> Target:
        return self.target(self.name, self.url, ask)


async def make_conversation(url: str, ask: Ask) -> Place:
    """A conversation of `TURNS` turns in the app server at `url`."""
    body = {"query": question(ask), "model": MODEL, "stream": False}
    place = Place()
    async with httpx.AsyncClient(base_url=url, trust_env=False, timeout=_LIMIT_S) as http:
        for turn in range(TURNS):
            if place.conversation_id:
                body["conversation_id"] = place.conversation_id
            answer = (await http.post("/api/chat", json=body)).raise_for_status().json()
            place = Place(answer["conversation_id"], answer["message_id"], turn + 1)
    return place
