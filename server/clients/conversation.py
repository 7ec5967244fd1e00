"""FastChat's conversation templates, for models that bring no chat template of their own.

The only place that imports `fastchat`, and of it only this one module (0.04 s, no torch).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

DEFAULT = "one_shot"
"""What FastChat takes for a model it does not know."""

_FAMILIES = (
    ("vicuna", "vicuna_v1.1"),
    ("chatglm3", "chatglm3"),
    ("chatglm2", "chatglm2"),
    ("chatglm", "chatglm"),
    ("llama-2", "llama-2"),
    ("llama2", "llama-2"),
    ("baichuan2", "baichuan2-chat"),
    ("baichuan", "baichuan-chat"),
    ("qwen", "qwen-7b-chat"),
    ("mistral", "mistral"),
    ("internlm", "internlm-chat"),
    ("mpt", "mpt-7b-chat"),
    ("falcon", "falcon"),
    ("koala", "koala_v1"),
    ("dolly", "dolly_v2"),
    ("phoenix", "phoenix"),
    ("zephyr", "zephyr"),
    ("yi-", "Yi-34b-chat"),
)
"""The common ones; FastChat's own choice by a model's path lives beside its torch code."""


@dataclass(frozen=True, slots=True)
class ConversationPrompt:
    text: str
    stop: tuple[str, ...]
    stop_token_ids: tuple[int, ...]


def template_names() -> list[str]:
    from fastchat.conversation import conv_templates

    return sorted(conv_templates)


def template_for(path: str) -> str:
    """The template that suits a model, by the name of its folder or repository."""
    name = path.rstrip("/").rpartition("/")[2].lower()
    return next((template for part, template in _FAMILIES if part in name), DEFAULT)


def build_prompt(template: str, turns: Sequence[tuple[str, str]]) -> ConversationPrompt:
    """The prompt for the next answer. `turns`: role and text; a system text may stand anywhere,
    the last one counts. Raises `KeyError` for a template FastChat does not have."""
    conversation = _conversation(template)
    for role, text in turns:
        if role in ("system", "developer"):
            conversation.set_system_message(text)
        else:
            speaker = conversation.roles[1 if role == "assistant" else 0]
            conversation.append_message(speaker, text or " ")  # an empty one would end the prompt
    conversation.append_message(conversation.roles[1], None)
    return ConversationPrompt(
        conversation.get_prompt(),
        _texts(conversation.stop_str),
        tuple(conversation.stop_token_ids or ()),
    )


def template_fields(template: str) -> dict[str, Any]:
    """The template as FastChat's workers send it. Raises `KeyError`."""
    conversation = _conversation(template)
    return {
        "name": conversation.name,
        "system_template": conversation.system_template,
        "system_message": conversation.system_message,
        "roles": list(conversation.roles),
        "messages": [list(message) for message in conversation.messages],
        "offset": conversation.offset,
        "sep_style": int(conversation.sep_style),
        "sep": conversation.sep,
        "sep2": conversation.sep2,
        "stop_str": conversation.stop_str,
        "stop_token_ids": conversation.stop_token_ids,
    }


def told_template(told: Mapping[str, Any]) -> Any:
    """The conversation that `template_fields` describes. Raises `ValueError`."""
    from fastchat.conversation import Conversation, SeparatorStyle

    names = ("name", "system_template", "system_message", "offset", "sep", "sep2", "stop_str")
    try:
        return Conversation(
            **{name: told[name] for name in names},
            roles=tuple(told["roles"]),
            messages=[list(message) for message in told["messages"]],
            sep_style=SeparatorStyle(told["sep_style"]),
            stop_token_ids=told["stop_token_ids"],
        )
    except (KeyError, TypeError) as error:
        raise ValueError(f"not a conversation template: {error!r}") from error


def _conversation(template: str) -> Any:
    from fastchat.conversation import get_conv_template

    return get_conv_template(template)


def _texts(stop: str | list[str] | None) -> tuple[str, ...]:
    if stop is None:
        return ()
    return (stop,) if isinstance(stop, str) else tuple(stop)
