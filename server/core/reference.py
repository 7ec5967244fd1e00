"""The table of all settings, made from their classes, so that the documentation cannot lie.

python -m server.core.reference     writes it to standard output
"""

from __future__ import annotations

import sys
from collections.abc import Iterator
from typing import Any

from pydantic import BaseModel
from pydantic.fields import FieldInfo
from pydantic_core import PydanticUndefined

from server.core.provider_settings import ProviderSettings
from server.core.settings import (
    AppSettings,
    ChatSettings,
    ControllerSettings,
    GatewaySettings,
    JoinedServer,
    LauncherSettings,
    ModelSettings,
    TracingSettings,
)

SECTIONS: tuple[tuple[str, type[BaseModel]], ...] = (
    ("controller", ControllerSettings),
    ("openai_api", GatewaySettings),
    ("openai_api.tracing", TracingSettings),
    ("launcher", LauncherSettings),
    ("models (a list)", ModelSettings),
    ("servers (a list)", JoinedServer),
    ("api", AppSettings),
    ("chat", ChatSettings),
    ("configs/providers/NAME.yaml", ProviderSettings),
)


def reference() -> str:
    """Markdown: one table for each section."""
    return "\n".join(line for title, kind in SECTIONS for line in _table(title, kind))


def _table(title: str, kind: type[BaseModel]) -> Iterator[str]:
    yield f"### {title}"
    yield ""
    yield "| setting | default | |"
    yield "| --- | --- | --- |"
    for name, field in kind.model_fields.items():
        yield f"| `{name}` | {_default(field)} | {_words(field)} |"
    yield ""


def _default(field: FieldInfo) -> str:
    if field.default_factory is not None:
        return ""
    if field.default is PydanticUndefined:
        return "*needed*"
    value: Any = field.default
    if isinstance(value, BaseModel):
        return ""
    if value is None:
        return ""
    if isinstance(value, tuple | dict):
        return f"`{list(value) if isinstance(value, tuple) else value}`"
    return f"`{str(value).lower() if isinstance(value, bool) else value}`"


def _words(field: FieldInfo) -> str:
    return " ".join((field.description or "").split()).replace("|", "\\|")


if __name__ == "__main__":
    sys.stdout.write(reference())
