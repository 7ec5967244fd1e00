"""A chat as it is kept, and told again: what was answered, what was asked for, and the messages."""

from __future__ import annotations

from typing import Any, Final

from server.gateway.dialects.values import Json

_ASKED: Final[dict[str, Any]] = {
    "seed": None,
    "top_p": 1.0,
    "temperature": 1.0,
    "presence_penalty": 0.0,
    "frequency_penalty": 0.0,
    "tools": None,
    "tool_choice": None,
    "response_format": None,
}
"""Of the request, and what stands there where it does not say it."""
_PARTS: Final = frozenset({"text", "image_url"})
"""A list of messages has no others."""


def kept_document(answer: Json, fields: Json, request_id: str, now: float) -> Json:
    """`fields`: of the request. Its messages and its metadata stand elsewhere. `now`: seconds since
    1970."""
    about = {
        "object": "chat.completion",
        "created": answer.get("created") or int(now),
        "model": answer.get("model") or fields["model"],
        "choices": [_choice(choice) for choice in answer["choices"]],
        "request_id": request_id,
        "input_user": fields.get("user"),
    }
    asked = {
        name: usual if fields.get(name) is None else fields[name] for name, usual in _ASKED.items()
    }
    return answer | about | asked


def _choice(said: Json) -> Json:
    """With every field that OpenAI's has; not all workers say them."""
    message = said.get("message") or {}
    blank = {"role": "assistant", "content": None, "refusal": None}
    return (
        {"index": 0, "finish_reason": "stop", "logprobs": None}
        | said
        | {"message": blank | message}
    )


def messages_of(id: str, given: Any) -> list[Json]:
    """Those of the request of chat `id`. `given`: as a worker has understood them."""
    if isinstance(given, str):
        given = [{"role": "user", "content": given}]
    said = [one for one in given if isinstance(one, dict)] if isinstance(given, list) else []
    return [_message(f"{id}-{at}", one) for at, one in enumerate(said)]


def _message(id: str, said: Json) -> Json:
    content = said.get("content")
    parts = None
    if isinstance(content, list):
        parts = [one for one in content if isinstance(one, dict) and one.get("type") in _PARTS]
        content = None
    return {"refusal": None, **said, "id": id, "content": content, "content_parts": parts}
