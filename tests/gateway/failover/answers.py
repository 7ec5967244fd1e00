"""Answers, workers that stream them in chunks of their own, and a client that adds up."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from random import Random
from typing import Any

import orjson
from hypothesis import strategies as st

from server.gateway.failover.delivered import Delivered, Shelf
from server.gateway.failover.splice import Splice

Json = dict[str, Any]
Part = tuple[str, str]
"""A field of the delta and its whole text; `tool:2:name` is the name in the third tool call."""

TEXTS = st.text(
    st.one_of(
        st.sampled_from('a"\\/\n\r\t\0 \u2028\u2029\u0085\ufeff\u0301\u200d👩🏽‍💻é中'),
        st.characters(exclude_categories=["Cs"]),
    ),
    max_size=24,
) | st.sampled_from(["data: [DONE]\n\n", '{"error": 1}', "\r\n\r\ndata: x", "e\u0301\u0302"])


@dataclass(frozen=True, slots=True)
class Said:
    """One choice of an answer."""

    parts: tuple[Part, ...]
    finish: str


@dataclass(frozen=True, slots=True)
class Worker:
    """Everything in which two workers may differ that say the same."""

    name: str
    random: Random
    chat: bool = True
    usage: bool = False
    escaped: bool = False
    line: bytes = b"\n"
    odds: bool = False

    def events(self, choices: list[Said]) -> list[bytes]:
        queues = [self._choice(at, said) for at, said in enumerate(choices)]
        chunks: list[Json] = []
        while queues:
            queue = self.random.choice(queues)
            chunk = next(queue, None)
            if chunk is None:
                queues.remove(queue)
            else:
                chunks.append({"choices": [chunk]})
        if self.usage:
            chunks = [chunk | {"usage": None} for chunk in chunks]
            chunks.append({"choices": [], "usage": {"completion_tokens": 7}})
        return [*(self._event(chunk) for chunk in chunks), self._framed(b"[DONE]")]

    def _choice(self, index: int, said: Said) -> Iterator[Json]:
        if self.chat:
            yield {"index": index, "delta": {"role": "assistant", "content": "", "refusal": None}}
        for name, text in said.parts:
            for piece in self._pieces(name, text):
                yield {"index": index, **piece, "finish_reason": None}
        end: Json = {"delta": {}} if self.chat else {"text": ""}
        yield {"index": index, **end, "finish_reason": said.finish}

    def _pieces(self, name: str, text: str) -> Iterator[Json]:
        if name.endswith(":name"):
            yield self._piece(name, text)
            return
        at = 0
        while at < len(text):
            size = self.random.randint(1, 5)
            piece = self._piece(name, text[at : at + size])
            if self.odds:
                piece["logprobs"] = self._odds(text[at : at + size])
            yield piece
            at += size

    def _piece(self, name: str, text: str) -> Json:
        if not self.chat:
            return {"text": text}
        if not name.startswith("tool:"):
            return {"delta": {name: text}}
        _, at, key = name.split(":")
        call: Json = {"index": int(at), "function": {key: text}}
        if key == "name":
            call |= {"id": f"call-{self.name}-{at}", "type": "function"}
            call["function"]["arguments"] = ""
        return {"delta": {"tool_calls": [call]}}

    def _odds(self, text: str) -> Json:
        """Each character is a token, and no worker agrees with another about its odds."""
        odds = [-self.random.random() for _ in text]
        if not self.chat:
            return {"tokens": list(text), "token_logprobs": odds}
        tokens = zip(text, odds, strict=True)
        return {"content": [{"token": token, "logprob": odd} for token, odd in tokens]}

    def _event(self, chunk: Json) -> bytes:
        kind = "chat.completion.chunk" if self.chat else "text_completion"
        frame = {"id": f"id-{self.name}", "object": kind, "created": len(self.name), "model": "m"}
        if self.escaped:
            return self._framed(json.dumps(frame | chunk).encode())
        return self._framed(orjson.dumps(frame | chunk))

    def _framed(self, data: bytes) -> bytes:
        return b"data: " + data + 2 * self.line


@dataclass(slots=True)
class Client:
    """Adds up what it is sent, as clients do; with the standard library only."""

    said: dict[tuple[int, str], str] = field(default_factory=dict)
    roles: Counter[int] = field(default_factory=Counter)
    finishes: dict[int, list[str]] = field(default_factory=dict)
    frames: set[tuple[object, ...]] = field(default_factory=set)
    tool_ids: Counter[tuple[int, int]] = field(default_factory=Counter)
    tokens: dict[int, str] = field(default_factory=dict)
    usages: int = 0
    dones: int = 0
    chunks: list[Json] = field(default_factory=list)

    def read(self, stream: bytes) -> Client:
        for event in stream.replace(b"\r\n\r\n", b"\n\n").split(b"\n\n")[:-1]:
            data = event.removeprefix(b"data: ")
            if data == b"[DONE]":
                self.dones += 1
            else:
                assert not self.dones
                self._chunk(json.loads(data))
        return self

    def _chunk(self, chunk: Json) -> None:
        self.chunks.append(chunk)
        self.frames.add((chunk["id"], chunk["created"], chunk["object"], chunk["model"]))
        self.usages += chunk.get("usage") is not None
        for choice in chunk["choices"]:
            self._choice(choice["index"], choice)

    def _choice(self, index: int, choice: Json) -> None:
        delta = dict(choice.get("delta") or {"text": choice.get("text")})
        self.roles[index] += delta.pop("role", None) is not None
        for call in delta.pop("tool_calls", []):
            self.tool_ids[index, call["index"]] += "id" in call
            for key, text in call.get("function", {}).items():
                self._add(index, f"tool:{call['index']}:{key}", text)
        for name, text in delta.items():
            self._add(index, name, text)
        odds = choice.get("logprobs") or {}
        tokens = odds.get("tokens", [item["token"] for item in odds.get("content", [])])
        self.tokens[index] = self.tokens.get(index, "") + "".join(tokens)
        if reason := choice.get("finish_reason"):
            self.finishes.setdefault(index, []).append(reason)

    def _add(self, index: int, name: str, text: str | None) -> None:
        assert index not in self.finishes or not text
        if text:
            self.said[index, name] = self.said.get((index, name), "") + text


@st.composite
def chats(draw: st.DrawFn) -> Said:
    parts = [("reasoning_content", draw(TEXTS)), ("content", draw(TEXTS)), ("refusal", draw(TEXTS))]
    for at in range(draw(st.integers(0, 2))):
        parts += [(f"tool:{at}:name", draw(TEXTS)), (f"tool:{at}:arguments", draw(TEXTS))]
    finish = draw(st.sampled_from(["stop", "length", "tool_calls"]))
    return Said(tuple(part for part in parts if part[1]), finish)


completions = st.builds(
    lambda text, finish: Said((("text", text),) if text else (), finish),
    TEXTS,
    st.sampled_from(["stop", "length"]),
)


@st.composite
def workers(draw: st.DrawFn, *, chat: bool) -> tuple[Worker, Worker]:
    """Two that can be asked the same."""
    usage, odds = draw(st.booleans()), draw(st.booleans())

    def worker(name: str) -> Worker:
        return Worker(
            name,
            draw(st.randoms(use_true_random=False)),
            chat,
            usage,
            draw(st.booleans()),
            draw(st.sampled_from([b"\n", b"\r\n"])),
            odds,
        )

    return worker("first"), worker("2nd")


def delivered(*events: bytes) -> Delivered:
    kept = Delivered(Shelf())
    for event in events:
        kept.add(event)
    return kept


def splice(*events: bytes) -> Splice:
    """Ready to go on after these."""
    return Splice(delivered(*events).told())


def in_blocks(events: Iterable[bytes], random: Random) -> Iterator[bytes]:
    """Whole events as they arrive: often several at once."""
    block: list[bytes] = []
    for event in events:
        block.append(event)
        if random.random() < 0.5:
            yield b"".join(block)
            block = []
    yield b"".join(block)
