"""How each endpoint writes answers down, in OpenAI's JSON; pure functions of pieces."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final, Protocol

from server.core.ids import new_id
from server.worker.asked import Likely
from server.worker.local.pieces import Piece
from server.worker.local.scores import Placed
from server.worker.text.calls import CallPart

Json = dict[str, Any]

LEAST_LOGPROB: Final = -9999.0
"""What OpenAI says of a token that could not come; JSON has no infinity."""


class Form(Protocol):
    stream_object: str
    whole_object: str
    extra: Json
    """What its answers and chunks have beside that what all have."""

    def begin(self, index: int, piece: Piece) -> Json | None:
        """The choice of a chunk that comes before the first piece, if there is one."""

    def piece(self, index: int, piece: Piece) -> Json:
        """The choice of a chunk."""

    def whole(self, index: int, piece: Piece) -> Json:
        """A choice that is complete."""


class ChatForm:
    stream_object = "chat.completion.chunk"
    whole_object = "chat.completion"

    def __init__(self, *, logprobs: bool = False, old_calls: bool = False) -> None:
        """`old_calls`: by the name they had before there were tools."""
        self.extra: Json = {"service_tier": "default"}
        self._logprobs = logprobs
        self._old_calls = old_calls

    def begin(self, index: int, piece: Piece) -> Json:
        content = None if piece.calls and not piece.text else ""
        delta = {"role": "assistant", "content": content, "refusal": None}
        return {"index": index, "delta": delta, "logprobs": None, "finish_reason": None}

    def piece(self, index: int, piece: Piece) -> Json:
        delta: Json = {"content": piece.text} if piece.text else {}
        if piece.thought:
            delta["reasoning_content"] = piece.thought
        if piece.calls and self._old_calls:
            delta["function_call"] = _old_call(piece.calls[0])
        elif piece.calls:
            delta["tool_calls"] = [{"index": part.number, **_call(part)} for part in piece.calls]
        logprobs = self._said(piece.scores) if piece.scores else None
        return {"index": index, "delta": delta, "logprobs": logprobs, **self._end(piece)}

    def whole(self, index: int, piece: Piece) -> Json:
        message: Json = {
            "role": "assistant",
            "content": None if piece.calls and not piece.text else piece.text,
            "refusal": None,
            "annotations": [],
        }
        if piece.thought:
            message["reasoning_content"] = piece.thought
        if piece.calls and self._old_calls:
            message["function_call"] = _old_call(piece.calls[0])
        elif piece.calls:
            message["tool_calls"] = [_call(part) for part in piece.calls]
        logprobs = self._said(piece.scores)
        return {"index": index, "message": message, "logprobs": logprobs, **self._end(piece)}

    def _end(self, piece: Piece) -> Json:
        finish: str | None = piece.finish
        if finish == "tool_calls" and self._old_calls:
            finish = "function_call"
        return {"finish_reason": finish, **_stop(piece)}

    def _said(self, scores: Sequence[Placed]) -> Json | None:
        """Marks, such as the one that ends an answer, are no tokens of it here."""
        if not self._logprobs:
            return None
        content = [
            _token(one.scored) | {"top_logprobs": [_token(other) for other in one.scored.others]}
            for one in scores
            if one.scored is not None and one.text
        ]
        return {"content": content, "refusal": None}


class CompletionForm:
    stream_object = "text_completion"
    whole_object = "text_completion"

    def __init__(self, *, logprobs: bool = False) -> None:
        self.extra: Json = {}
        self._logprobs = logprobs

    def begin(self, index: int, piece: Piece) -> None:
        return None

    def piece(self, index: int, piece: Piece) -> Json:
        logprobs = self._said(piece.scores) if piece.scores else None
        return self._choice(index, piece, logprobs)

    def whole(self, index: int, piece: Piece) -> Json:
        return self._choice(index, piece, self._said(piece.scores))

    def _choice(self, index: int, piece: Piece, logprobs: Json | None) -> Json:
        return {
            "index": index,
            "text": piece.text,
            "logprobs": logprobs,
            "finish_reason": piece.finish,
            **_stop(piece),
        }

    def _said(self, scores: Sequence[Placed]) -> Json | None:
        """Offsets count from where the prompt begins, with `echo` or without."""
        if not self._logprobs:
            return None
        return {
            "tokens": [_spelled(one.text, "bytes:") for one in scores],
            "token_logprobs": [_logprob(one.scored) if one.scored else None for one in scores],
            "top_logprobs": [_top(one) for one in scores],
            "text_offset": [one.begin for one in scores],
        }


def _call(part: CallPart) -> Json:
    """A call, or more of its arguments."""
    if part.name is None:
        return {"function": {"arguments": part.arguments}}
    return {
        "id": new_id("call").replace("-", "_"),
        "type": "function",
        "function": {"name": part.name, "arguments": part.arguments},
    }


def _old_call(part: CallPart) -> Json:
    name = {} if part.name is None else {"name": part.name}
    return {**name, "arguments": part.arguments}


def _stop(piece: Piece) -> Json:
    """Which of its stop texts ended it: beyond OpenAI's, as vLLM tells it."""
    return {} if piece.stop is None else {"stop_reason": piece.stop}


def _token(likely: Likely) -> Json:
    return {
        "token": _spelled(likely.text),
        "bytes": list(likely.text),
        "logprob": _logprob(likely),
    }


def _top(placed: Placed) -> dict[str, float] | None:
    """The likeliest, and the one that stands there; of tokens that look alike, the likelier."""
    if placed.scored is None:
        return None
    found: dict[str, float] = {}
    for one in (*placed.scored.others, placed.scored):
        found.setdefault(_spelled(one.text, "bytes:"), _logprob(one))
    return found


def _spelled(text: bytes, before_bytes: str = "") -> str:
    """Parts of characters as OpenAI writes them: `\\xe4\\xbd`."""
    try:
        return text.decode()
    except UnicodeDecodeError:
        return before_bytes + "".join(f"\\x{byte:02x}" for byte in text)


def _logprob(likely: Likely) -> float:
    return max(likely.logprob, LEAST_LOGPROB)
