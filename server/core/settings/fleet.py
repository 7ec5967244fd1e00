"""`launcher`, and the whole of the settings."""

from __future__ import annotations

from typing import Any, Literal

from pydantic import Field, ValidatorFunctionWrapHandler, field_validator

from server.core.limits import DRAIN_S
from server.core.memory.sizes import SIZE_PATTERN
from server.core.settings.app import AppSettings, ChatSettings
from server.core.settings.controller import ControllerSettings
from server.core.settings.gateway import GatewaySettings
from server.core.settings.model import ModelSettings
from server.core.settings.section import Section, read_beside
from server.core.settings.server import JoinedServer

LogLevel = Literal["debug", "info", "warning", "error"]


class LauncherSettings(Section):
    log_level: LogLevel = "info"
    """`debug`, `info`, `warning`, `error`."""
    start_deadline_s: float = Field(default=600.0, gt=0)
    """A model that has not loaded by then has failed."""
    model_memory: str | None = Field(default=None, pattern=rf"^{SIZE_PATTERN}$")
    """RAM that the local models may take together, such as `48GiB`; none: all that is free."""
    drain_s: float = Field(default=DRAIN_S, gt=0)
    """Time for running requests when Shortline stops; then they end with an error event."""


class FleetSettings(Section):
    """The whole of `configs/fleet.yaml` and `configs/app.yaml`."""

    launcher: LauncherSettings = Field(default_factory=LauncherSettings)
    controller: ControllerSettings = Field(default_factory=ControllerSettings)
    openai_api: GatewaySettings = Field(default_factory=GatewaySettings)
    models: tuple[ModelSettings, ...] = ()
    servers: tuple[JoinedServer, ...] = ()
    api: AppSettings = Field(default_factory=AppSettings)
    chat: ChatSettings = Field(default_factory=ChatSettings)

    @field_validator("models", mode="wrap")
    @classmethod
    def _different_names(cls, models: Any, read: ValidatorFunctionWrapHandler) -> Any:
        models = () if models is None else models  # the key stands there, all below is a comment
        names = _names_of(models)
        twice = sorted({name for name in names if names.count(name) > 1})
        wrong = f"named more than once: {', '.join(twice)}" if twice else ""
        return read_beside(wrong, models, read)

    @field_validator("servers", mode="before")
    @classmethod
    def _none_is_empty(cls, servers: Any) -> Any:
        return () if servers is None else servers

    @field_validator("servers")
    @classmethod
    def _different_servers(cls, servers: tuple[JoinedServer, ...]) -> tuple[JoinedServer, ...]:
        for what in ("url", "name"):
            values = [getattr(server, what) for server in servers]
            if twice := sorted({value for value in values if values.count(value) > 1}):
                raise ValueError(f"the same {what} more than once: {', '.join(twice)}")
        return servers


def _names_of(models: Any) -> list[str]:
    """Of models and their adapters, also of those with other mistakes."""
    listed = models if isinstance(models, list | tuple) else []
    said: list[object] = []
    for model in listed:
        if isinstance(model, ModelSettings):
            said += model.names
        elif isinstance(model, dict):
            adapters = model.get("adapters")
            said += [model.get("name"), *(adapters if isinstance(adapters, dict) else ())]
    return [name for name in said if isinstance(name, str)]
