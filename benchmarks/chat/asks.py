"""One question, as each way wants it put, and the text that its stream holds.

The gateway gets what the app server would make of it: the turns before, then the question.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import orjson

from benchmarks.chat.messages import Speech, Target
from benchmarks.gateway.answers import MODEL, whole_answer
from benchmarks.gateway.messages import Ask

LAST = {"openai": b"data: [DONE]", "app": b"event: done\n", "peer": b"event: done\n"}
_CHAT = "/v1/chat/completions"


class NotWhole(Exception):
    """A stream without its end, or with an error in it."""


@dataclass(frozen=True, slots=True)
class Place:
    """Where a question belongs: a conversation, and the message it follows."""

    conversation_id: str = ""
    parent_id: str = ""
    turns: int = 0
    """Before it, all of them the same question with the same answer."""


def question(ask: Ask) -> str:
    return f"Please say: events={ask.events} burst={ask.burst} every_ms={ask.every_ms:g}"


def answer(ask: Ask) -> str:
    """All that the fake upstream says to it."""
    text = orjson.loads(whole_answer(ask))["choices"][0]["message"]["content"]
    assert isinstance(text, str)
    return text


def ask_gateway(name: str, url: str, ask: Ask, place: Place = Place()) -> Target:
    turn = [_said("user", question(ask)), _said("assistant", answer(ask))]
    messages = [*turn * place.turns, _said("user", question(ask))]
    body = {
        "model": MODEL,
        "messages": messages,
        "stream": True,
        "stream_options": {"include_usage": True},
    }
    return _target(name, url, _CHAT, body, "openai", ask)


def ask_app(name: str, url: str, ask: Ask, place: Place = Place()) -> Target:
    """In a conversation all questions follow the same message, so that none has more to remember
    than the one before it."""
    body: dict[str, Any] = {"query": question(ask), "model": MODEL}
    if place.conversation_id:
        body |= {"conversation_id": place.conversation_id, "parent_id": place.parent_id}
    return _target(name, url, "/api/chat", body, "app", ask)


def ask_peer(name: str, url: str, ask: Ask) -> Target:
    return _target(name, url, "/chat", {"query": question(ask)}, "peer", ask)


def listen(name: str, url: str, ask: Ask, message_id: str) -> Target:
    """Follow an answer of the app server from its beginning."""
    target = _target(name, url, f"/api/chat/{message_id}/events", {}, "app", ask)
    return target.model_copy(update={"body": ""})


def read_stream(speech: Speech, body: bytes) -> list[str]:
    """The text of each event that has any. Raises `NotWhole`."""
    if LAST[speech] not in body:
        raise NotWhole("the stream has no end")
    texts = [_text(speech, event) for event in body.split(b"\n\n") if b"data: {" in event]
    return [text for text in texts if text]


def _text(speech: Speech, event: bytes) -> str:
    if event.startswith(b"event: ") or b"\nevent: " in event:
        return ""
    said: Mapping[str, Any] = orjson.loads(event.partition(b"data: ")[2])
    if speech != "openai":
        return str(said["text"])
    if "error" in said:
        raise NotWhole("an error in mid-stream")
    choices: Sequence[Mapping[str, Any]] = said["choices"]
    return choices[0]["delta"].get("content") or "" if choices else ""


def _said(role: str, content: str) -> dict[str, str]:
    return {"role": role, "content": content}


def _target(
    name: str, url: str, path: str, body: Mapping[str, Any], speech: Speech, ask: Ask
) -> Target:
    return Target(
        name=name,
        url=url,
        path=path,
        body=orjson.dumps(body).decode(),
        speech=speech,
        text=answer(ask),
    )
