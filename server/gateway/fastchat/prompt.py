"""OpenAI's messages in the words of a FastChat worker's conversation template.

As FastChat's API server writes them:
https://github.com/lm-sys/FastChat/blob/v0.2.36/fastchat/serve/openai_api_server.py
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from server.clients.conversation import told_template
from server.core.errors import BadAnswer, BadRequest

_IMAGE = re.compile(r"data:image/[\w.+-]+;base64,")


@dataclass(frozen=True, slots=True)
class Prompt:
    """What a model reads, and where it must stop."""

    text: str
    stop: tuple[str, ...] = ()
    stop_token_ids: tuple[int, ...] = ()
    images: tuple[str, ...] = ()
    """`data:` URLs, in the order of their places in the text."""


def write_prompt(told: Mapping[str, Any], messages: Sequence[Any]) -> Prompt:
    """`told`: the worker's template. Raises `BadRequest` for messages that it cannot express, and
    `BadAnswer` for a template that is none."""
    try:
        conversation = told_template(told)
    except ValueError as error:
        raise BadAnswer(str(error)) from error
    for number, message in enumerate(messages):
        _append(conversation, message, f"messages[{number}]")
    conversation.append_message(conversation.roles[1], None)
    try:
        text = conversation.get_prompt()
    except TypeError as error:  # most templates do not expect the tuple that carries images
        raise BadRequest("This model does not take images.", param="messages") from error
    return Prompt(
        text,
        stop=_as_tuple(conversation.stop_str),
        stop_token_ids=tuple(conversation.stop_token_ids or ()),
        images=tuple(conversation.get_images()),
    )


def _append(conversation: Any, message: Any, at: str) -> None:
    role = message.get("role") if isinstance(message, Mapping) else None
    if role not in ("system", "developer", "user", "assistant"):
        raise BadRequest(f"{at}: this model knows no role {str(role)[:40]!r}.", param=at)
    text, images = _read(message.get("content"), at)
    if role in ("system", "developer"):
        conversation.set_system_message(text)
        return
    said = (text, images) if images else text or " "  # an empty one would end the prompt
    conversation.append_message(conversation.roles[1 if role == "assistant" else 0], said)


def _read(content: Any, at: str) -> tuple[str, list[str]]:
    """The text and the image URLs of a message. A worker fetches what an address names, and opens
    what looks like a file: from strangers it takes neither."""
    if content is None:
        return "", []
    if isinstance(content, str):
        return content, []
    try:
        texts = [_string(part["text"]) for part in content if part["type"] == "text"]
        images = [
            _string(part["image_url"]["url"]) for part in content if part["type"] == "image_url"
        ]
        if not all(map(_IMAGE.match, images)):
            raise BadRequest(
                f"{at}: send each image itself, as data:image/png;base64,…; "
                "addresses are not fetched here.",
                param=at,
            )
        if len(texts) + len(images) == len(content):
            return "\n".join(texts), images
    except (KeyError, TypeError) as error:
        raise BadRequest(f"{at}: this is no content of a message.", param=at) from error
    raise BadRequest(f"{at}: this model reads text and images only.", param=at)


def _string(value: object) -> str:
    if not isinstance(value, str):
        raise TypeError("not a string")
    return value


def _as_tuple(stop: str | Sequence[str] | None) -> tuple[str, ...]:
    if not stop:
        return ()
    return (stop,) if isinstance(stop, str) else tuple(stop)
