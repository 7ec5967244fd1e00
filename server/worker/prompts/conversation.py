"""How a model's conversations are written: by its own template, or by one of FastChat's."""

from __future__ import annotations

from collections.abc import Collection

from server.clients.conversation import template_fields, template_for, template_names
from server.core.errors import StartError
from server.core.settings import ModelSettings
from server.worker.asked import Chat
from server.worker.engine import Style
from server.worker.prompts.tokenizing import Prompter
from server.worker.style import derive_style


def conversation_of(settings: ModelSettings, template: object) -> str | None:
    """FastChat's template, when the model has none. Raises `StartError` for an unknown one."""
    if template:
        return None
    name = settings.conversation_template or template_for(settings.path)
    if name not in template_names():
        raise StartError(
            f"model {settings.name!r}: FastChat has no conversation_template {name!r}; "
            f"it has: {', '.join(template_names())}"
        )
    return name


def style_of(
    settings: ModelSettings, conversation: str | None, prompter: Prompter, ends: Collection[int]
) -> Style:
    if conversation is not None:
        return Style(template_fields(conversation))
    own = derive_style(lambda turns: prompter.render(Chat(tuple(turns))), sorted(ends))
    return own or Style(template_fields(template_for(settings.path)))
