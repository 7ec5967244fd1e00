"""What the command line asks for, as plain words."""

from __future__ import annotations

from argparse import Namespace
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Wanted:
    gateway: bool = False
    """The controller comes with it, unless `join` names another one."""
    local: bool = False
    online: bool = False
    app: bool = False
    webui: bool = False
    """The app server has pages too."""
    names: tuple[str, ...] = ()
    """Only these models and providers; empty: all that are configured."""
    join: str | None = None
    """Address of a controller that runs already."""

    @property
    def controller(self) -> bool:
        return self.gateway and self.join is None

    @property
    def workers(self) -> bool:
        return self.local or self.online

    @property
    def anything(self) -> bool:
        return self.gateway or self.workers or self.app


def wanted(flags: Namespace) -> Wanted:
    everything = flags.all_webui or flags.all_api
    fleet = everything or flags.llm_api
    return Wanted(
        gateway=fleet or flags.openai_api or flags.lite,
        local=(fleet or flags.model_worker) and not flags.lite,
        online=fleet or flags.api_worker or flags.lite,
        app=everything or flags.api or flags.webui,
        webui=flags.all_webui or flags.webui,
        names=tuple(flags.model_name),
        join=flags.controller,
    )
