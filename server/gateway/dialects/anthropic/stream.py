"""A stream of OpenAI's chunks as Anthropic's typed events.

    message_start, a block after the other (content_block_start, _delta…, _stop), message_delta,
    message_stop

Source: https://docs.anthropic.com/en/docs/build-with-claude/streaming
"""

from __future__ import annotations

from typing import Any, Final

from server.core.sse import data_event
from server.gateway.dialects.anthropic.answer import (
    UNSIGNED,
    Expected,
    Json,
    message_start,
    stopped,
    text_in,
    thought_in,
    tool_id,
    tool_name,
    usage_of,
)

PING: Final = b'event: ping\ndata: {"type":"ping"}\n\n'
_TEXT: Final = "text"
_THINKING: Final = "thinking"


def event(kind: str, **fields: Any) -> bytes:
    return b"event: %b\n" % kind.encode() + data_event({"type": kind, **fields})


class MessageStream:
    """One message, told piece by piece."""

    def __init__(self, expected: Expected) -> None:
        self._expected = expected
        self._begun = False
        self._blocks = 0
        """How many were begun."""
        self._open: object = None
        """The kind of the block that has not ended, or the place of the call that it is."""
        self._call_id: object = None
        self._called = False
        self._refused = False
        self._last: Json = {}
        """The choice that said why it ends."""
        self._usage: Json | None = None

    def chunk(self, chunk: Json) -> bytes:
        """Raises `KeyError` and the like for what is none."""
        events = [] if self._begun else [self._begin(chunk)]
        self._usage = chunk.get("usage") or self._usage
        for choice in chunk.get("choices") or ():
            events.append(self._delta(choice.get("delta") or {}))
            if choice.get("finish_reason"):
                self._last = choice
        return b"".join(events)

    def end(self) -> bytes:
        begun = b"" if self._begun else self._begin({})
        delta = stopped(self._last, self._expected, called=self._called, refused=self._refused)
        delta |= {"stop_details": None, "container": None}
        last = event("message_delta", delta=delta, usage=usage_of(self._usage))
        return begun + self._close() + last + event("message_stop")

    def _begin(self, chunk: Json) -> bytes:
        self._begun = True
        return event("message_start", message=message_start(chunk, self._expected))

    def _delta(self, said: Json) -> bytes:
        events = b""
        if self._expected.thinking and (thought := thought_in(said)):
            block = {"type": "thinking", "thinking": "", "signature": ""}
            events += self._switch(_THINKING, block)
            events += self._add({"type": "thinking_delta", "thinking": thought})
        if text := text_in(said):
            self._refused = self._refused or bool(said.get("refusal"))
            events += self._switch(_TEXT, {"type": "text", "text": "", "citations": None})
            events += self._add({"type": "text_delta", "text": text})
        for call in said.get("tool_calls") or ():
            events += self._call(call)
        return events

    def _call(self, call: Json) -> bytes:
        """A piece of a call. Some upstreams number all calls alike: another id is another call."""
        function = call.get("function") or {}
        place, id = call.get("index") or 0, call.get("id")
        events = b""
        if self._open != place or (id and id != self._call_id and function.get("name")):
            name = tool_name(function)
            block = {"type": "tool_use", "id": tool_id(id), "name": name, "input": {}}
            events = self._close() + self._switch(place, block)
            self._call_id, self._called = id, True
        arguments = function.get("arguments") or ""
        if not isinstance(arguments, str):
            raise TypeError("the arguments of a call come as text")
        if arguments:
            events += self._add({"type": "input_json_delta", "partial_json": arguments})
        return events

    def _switch(self, kind: object, block: Json) -> bytes:
        """Make `kind` the open block, beginning it with `block` if it is not open yet."""
        if self._open == kind:
            return b""
        closed = self._close()
        self._open = kind
        self._blocks += 1
        return closed + event("content_block_start", index=self._blocks - 1, content_block=block)

    def _add(self, delta: Json) -> bytes:
        return event("content_block_delta", index=self._blocks - 1, delta=delta)

    def _close(self) -> bytes:
        if self._open is None:
            return b""
        signed = b""
        if self._open == _THINKING:
            signed = self._add({"type": "signature_delta", "signature": UNSIGNED})
        self._open = None
        return signed + event("content_block_stop", index=self._blocks - 1)
