"""OpenAI's JSON around a FastChat worker's text: chat or completion, streamed or whole."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal

from server.core.ids import new_id
from server.core.sse import data_event
from server.gateway.fastchat.pieces import Delta


@dataclass(slots=True)
class Usage:
    """The prompt counts once for all its choices, as OpenAI counts it."""

    prompt_tokens: int = 0
    completion_tokens: int = 0

    def as_json(self) -> dict[str, int]:
        return {
            "prompt_tokens": self.prompt_tokens,
            "completion_tokens": self.completion_tokens,
            "total_tokens": self.prompt_tokens + self.completion_tokens,
        }


@dataclass(slots=True)
class Choice:
    """One answer, gathered."""

    text: str = ""
    finish_reason: str | None = None
    logprobs: Any = None

    def add(self, delta: Delta) -> None:
        self.text += delta.text
        self.finish_reason = delta.finish_reason or self.finish_reason
        self.logprobs = delta.logprobs or self.logprobs


class Shape:
    """`created`: seconds since 1970."""

    def __init__(
        self,
        kind: Literal["chat", "completions"],
        model: str,
        created: int,
        *,
        with_usage: bool = False,
    ) -> None:
        self._chat = kind == "chat"
        self._with_usage = with_usage
        self._frame = {
            "id": new_id("chatcmpl" if self._chat else "cmpl"),
            "object": "chat.completion.chunk" if self._chat else "text_completion",
            "created": created,
            "model": model,
        }

    def begin(self, index: int) -> bytes:
        """The event that opens a choice: chats name the role first."""
        if not self._chat:
            return b""
        return self._event(index, {"delta": {"role": "assistant", "content": ""}}, None)

    def events(self, index: int, delta: Delta) -> bytes:
        found = b""
        if delta.text:
            part = {"delta": {"content": delta.text}} if self._chat else {"text": delta.text}
            found += self._event(index, part, None)
        if delta.finish_reason:
            last: dict[str, Any] = {"delta": {}} if self._chat else {"text": ""}
            found += self._event(index, last, delta.finish_reason)
        return found

    def end(self, usage: Usage) -> bytes:
        """The event that tells the usage, for those who asked for it."""
        if not self._with_usage:
            return b""
        return data_event({**self._frame, "choices": [], "usage": usage.as_json()})

    def _event(self, index: int, part: dict[str, Any], reason: str | None) -> bytes:
        choice = {"index": index, **part, "logprobs": None, "finish_reason": reason}
        extra = {"usage": None} if self._with_usage else {}
        return data_event({**self._frame, "choices": [choice], **extra})

    def whole(self, choices: list[Choice], usage: Usage) -> dict[str, Any]:
        found = [
            {
                "index": index,
                **self._said(choice.text),
                "logprobs": choice.logprobs,
                "finish_reason": choice.finish_reason,
            }
            for index, choice in enumerate(choices)
        ]
        kind = "chat.completion" if self._chat else "text_completion"
        return {**self._frame, "object": kind, "choices": found, "usage": usage.as_json()}

    def _said(self, text: str) -> dict[str, Any]:
        if self._chat:
            return {"message": {"role": "assistant", "content": text, "refusal": None}}
        return {"text": text}
