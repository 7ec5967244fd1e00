"""What the launcher and its children say to each other.

Down a child's standard input: its settings, one line of JSON; then nothing, but the pipe stays
open, and its end means that the launcher is gone. Up its standard output: one `Report` a line, and
from the app server also `Request`s, and from gateways `Join` and `Leave`.
"""

from __future__ import annotations

from typing import Literal

from pydantic import BaseModel, ConfigDict, Field, SecretStr

from server.core.dispatch import Method
from server.core.limits import DRAIN_S, WAKE_S
from server.core.provider_settings import ProviderSettings
from server.core.secrets import Secret, derived
from server.core.settings import (
    AppSettings,
    ChatSettings,
    ControllerSettings,
    GatewaySettings,
    JoinedServer,
    ModelSettings,
)


def app_key(secret: SecretStr) -> SecretStr:
    """The API key of the app server of a launch; the secret does not follow from it."""
    return SecretStr(f"sk-app-{derived(secret, 'shortline app key')}")


class Frozen(BaseModel):
    model_config = ConfigDict(
        frozen=True,
        extra="forbid",
        hide_input_in_errors=True,  # what is wrong with a line is told without its secrets
        defer_build=True,  # every process knows all of them, and reads one
    )


class Report(Frozen):
    state: Literal["loading", "waiting", "ready", "failed"]
    """`waiting` stands beside the others: what this process speaks for is not there."""
    detail: str = ""
    """For people: what is being loaded, why it failed, what it waits for or who refuses it (empty:
    nothing any more)."""
    done: float | None = None
    """While it fetches or loads its weights: which share of them is there, from 0 to 1."""
    address: str = ""
    """`http://host:port`, once ready."""
    own: str = ""
    """The same, where nobody but this very process is reached: several may share `address`."""


class Request(Frozen):
    """Wishes of an operator. Heard from the app server and the command line only; there is no
    answer but what the launcher's state says next."""

    ask: Literal["start", "stop", "restart", "drain", "swap"]
    """`stop` lets running requests end; `drain` sends it nothing new; `start` takes either back,
    and works also on what has been given up; `swap` puts a new process in its place."""
    child: str
    """Name of a worker, as in `RoleSettings.name`."""
    path: str = Field(default="", max_length=4000)
    """Of a swap: where the new weights are, an absolute folder, `bundled:…` or a hub name."""


class Join(Frozen):
    """An operator wants this server in the fleet, now and after every start. Heard from a gateway
    and the command line; whoever says it has asked the server what it is. There is no answer but
    that it stands among the joined servers (`clients/joined.py`)."""

    join: JoinedServer


class Leave(Frozen):
    """And this one no longer: the name of one that was joined so."""

    leave: str


Wish = Request | Join | Leave
Told = Report | Wish


class RoleSettings(Frozen):
    """What every process needs."""

    name: str
    """As in `status` and the logs: `controller`, `model_worker shortline-mini`."""
    host: str = "127.0.0.1"
    port: int = 0
    """0: choose a free one and report it."""
    shared_port: bool = False
    """Several processes serve this port; each also listens on one of its own, for the others."""
    secret: Secret
    log_level: str = "info"
    drain_s: float = DRAIN_S
    """Time for running requests once it is told to stop."""


class ControllerProcess(RoleSettings):
    controller: ControllerSettings
    closed: bool = False
    """FastChat's reading paths demand the secret too, because the gateway demands a key or
    strangers can reach this port."""
    wake_s: float = WAKE_S
    """How long FastChat's clients wait for a model that is loaded for them."""


class GatewayProcess(RoleSettings):
    controller_url: str
    gateway: GatewaySettings
    ledger_file: str = ""
    """Of API keys and routes; empty: only those of the settings."""
    joined_file: str = ""
    """Where the launcher keeps the servers that were joined at run time; empty: none can be."""
    servers: tuple[JoinedServer, ...] = ()
    """Those of the settings."""
    taken_names: tuple[str, ...] = ()
    """Of the providers, which a joined server cannot have."""
    dispatch: Method = "shortest_queue"
    expected_models: tuple[str, ...] = ()
    """Configured here; while none of their workers is up the answer is 503, not 404."""


class WorkerProcess(RoleSettings):
    controller_url: str
    draining: bool = False
    """An operator wants it to get nothing new, from the first."""


class ModelWorkerProcess(WorkerProcess):
    model: ModelSettings


class OnlineWorkerProcess(WorkerProcess):
    provider: ProviderSettings
    api_key: Secret | None = None


class AppProcess(RoleSettings):
    gateway_url: str
    """The OpenAI API that the chat asks: `http://host:port`, without `/v1`."""
    gateway_key: Secret | None = None
    controller_url: str = ""
    """Empty: none that would answer us."""
    state_file: str = ""
    """Where the launcher writes its `LauncherState`; empty: nowhere."""
    database: str = Field(repr=False)
    """SQLAlchemy's address of it."""
    webui: bool = True
    """False: only the API, no pages."""
    api: AppSettings = Field(default_factory=AppSettings)
    chat: ChatSettings = Field(default_factory=ChatSettings)
    expected_models: tuple[str, ...] = ()
    """Configured here, whether they are up or not."""
