"""Which children are started, with which settings: plain values."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from types import MappingProxyType
from typing import Any, Literal
from urllib.parse import urlsplit

from pydantic import SecretStr

from server.core.limits import WHOLE_REQUEST_S
from server.core.settings import FleetSettings, ModelSettings, is_loopback
from server.launcher.setup.choice import Choice
from server.launcher.setup.providers import Provider
from server.launcher.wanted import Wanted
from server.wire.process import (
    AppProcess,
    ControllerProcess,
    GatewayProcess,
    ModelWorkerProcess,
    OnlineWorkerProcess,
    RoleSettings,
    WorkerProcess,
    app_key,
)

Role = Literal["controller", "openai_api", "api", "model_worker", "online_api"]
WORKERS: tuple[Role, ...] = ("model_worker", "online_api")

MODULES: Mapping[Role, str] = MappingProxyType(
    {
        "controller": "server.controller",
        "openai_api": "server.gateway",
        "api": "server.app",
        "model_worker": "server.worker.local",
        "online_api": "server.worker.online",
    }
)
SERVER_DEADLINE_S = 15.0
"""Controller and gateway have nothing to load."""
APP_DEADLINE_S = 120.0
"""The app server may have to bring a large database up to date."""
_EVERY_CHILD = {
    "HF_HUB_DISABLE_TELEMETRY": "1",
    "TOKENIZERS_PARALLELISM": "false",
    "PYTHONUTF8": "1",
    # What people write stays here, whatever the shell that we were started from has switched on.
    "LANGSMITH_TRACING": "false",
    "LANGCHAIN_TRACING_V2": "false",
}


@dataclass(frozen=True, slots=True)
class ChildPlan:
    name: str
    role: Role
    module: str
    """Started with `python -m`."""
    settings: RoleSettings
    deadline_s: float
    """From its start until it is ready."""
    env: Mapping[str, str] = field(default_factory=dict)
    """Beyond what the launcher's own environment gives it."""
    serves: tuple[str, ...] = ()
    """Models, as clients name them."""
    instead_of: str | None = None
    """Where its weights are by the settings, while an operator has put others in their place."""

    def joining(self, controller_url: str) -> ChildPlan:
        if not hasattr(self.settings, "controller_url"):
            return self
        update = {"controller_url": controller_url}
        return replace(self, settings=self.settings.model_copy(update=update))

    def asking(self, gateway_url: str) -> ChildPlan:
        """The app server asks the gateway at `gateway_url`, unless it was told of another one."""
        if not isinstance(self.settings, AppProcess) or self.settings.gateway_url:
            return self
        update = {"gateway_url": gateway_url}
        return replace(self, settings=self.settings.model_copy(update=update))

    @property
    def model(self) -> ModelSettings | None:
        """The one that is loaded in it."""
        return self.settings.model if isinstance(self.settings, ModelWorkerProcess) else None

    @property
    def drains(self) -> bool:
        return isinstance(self.settings, WorkerProcess) and self.settings.draining

    def draining(self, drains: bool) -> ChildPlan:
        """Of a worker: whether it gets nothing new, from its next start on."""
        if self.drains == drains or not isinstance(self.settings, WorkerProcess):
            return self
        return replace(self, settings=self.settings.model_copy(update={"draining": drains}))

    def loading_from(self, path: str) -> ChildPlan:
        """Of a local model: its weights are at `path`; empty: where they were."""
        if not path or self.model is None:
            return self
        configured = self.model.path if self.instead_of is None else self.instead_of
        model = self.model.model_copy(update={"path": path})
        settings = self.settings.model_copy(update={"model": model})
        other = configured if path != configured else None
        return replace(self, settings=settings, instead_of=other)

    @property
    def swapped(self) -> Mapping[str, str]:
        """Of a model whose weights are not those of the settings: where they are."""
        if self.model is None or self.instead_of is None:
            return {"path": "", "instead_of": ""}
        return {"path": self.model.path, "instead_of": self.instead_of}

    def keeping(self, address: str) -> ChildPlan:
        """On the port it got, now that others know it; a worker's may be another each time."""
        port = urlsplit(address).port
        if self.role in WORKERS or port is None:
            return self
        return replace(self, settings=self.settings.model_copy(update={"port": port}))


@dataclass(frozen=True, slots=True)
class Maker:
    """Makes the plan of each child."""

    settings: FleetSettings
    secret: SecretStr
    controller_url: str = ""
    """Empty: our own controller will say."""
    worker_host: str = "127.0.0.1"
    """Workers listen there, and the controller's gateways reach them by it."""
    modules: Mapping[Role, str] = field(default_factory=lambda: MODULES)
    gateway_url: str = ""
    """The one that the app server asks; empty: our own gateway will say."""
    database: str = ""
    """Where the app server keeps what it must not forget."""
    state_file: str = ""
    """Where this launcher says how its children are."""
    ledger_file: str = ""
    """Where API keys and the routes that were set at run time are."""
    joined_file: str = ""
    """Where the servers are that were joined at run time."""
    taken_names: tuple[str, ...] = ()
    """Of all providers, on or off."""

    def children(self, wanted: Wanted, choice: Choice) -> list[ChildPlan]:
        """In the order in which they are started."""
        workers = [worker for model in choice.models for worker in self._replicas(model)]
        workers += [self.online(provider) for provider in choice.providers]
        servers = [self._controller()] if wanted.controller else []
        if wanted.gateway:
            servers += self._gateways(_models(workers))
        if wanted.app:
            servers.append(self._app(choice.chat_models, webui=wanted.webui))
        return servers + workers

    def _controller(self) -> ChildPlan:
        own = self.settings.controller
        settings = ControllerProcess(
            name="controller",
            host=own.host,
            port=own.port,
            **self._common,
            controller=own,
            closed=not is_loopback(own.host) or bool(self.settings.openai_api.api_keys),
            wake_s=self.settings.openai_api.wake_s,
        )
        return self._child("controller", settings, SERVER_DEADLINE_S)

    def _gateways(self, models: tuple[str, ...]) -> list[ChildPlan]:
        own = self.settings.openai_api
        settings = GatewayProcess(
            name="openai_api",
            host=own.host,
            port=own.port,
            shared_port=own.workers > 1,
            **self._common,
            controller_url=self.controller_url,
            gateway=own,
            ledger_file=self.ledger_file,
            joined_file=self.joined_file,
            servers=self.settings.servers,
            taken_names=self.taken_names,
            dispatch=self.settings.controller.dispatch,
            expected_models=models,
        )
        each = [
            settings.model_copy(update={"name": name})
            for name in numbered(settings.name, own.workers)
        ]
        return [self._child("openai_api", one, SERVER_DEADLINE_S) for one in each]

    def _app(self, models: tuple[str, ...], *, webui: bool) -> ChildPlan:
        own = self.settings.api
        settings = AppProcess(
            name="api",
            host=own.host,
            port=own.port,
            **self._common,
            gateway_url=self.gateway_url,
            gateway_key=own.gateway_key or self._key_for_app,
            controller_url=self.controller_url,
            state_file=self.state_file,
            database=own.database or self.database,
            webui=webui,
            api=own,
            chat=self.settings.chat,
            expected_models=models,
        )
        return self._child("api", settings, APP_DEADLINE_S)

    def _replicas(self, model: ModelSettings) -> list[ChildPlan]:
        names = numbered(f"model_worker {model.name}", model.replicas)
        return [self._local(name, model) for name in names]

    def _local(self, name: str, model: ModelSettings) -> ChildPlan:
        settings = ModelWorkerProcess(
            name=name,
            host=self.worker_host,
            **self._of_workers,
            controller_url=self.controller_url,
            model=model,
        )
        env = {}
        if model.gpus:
            env["CUDA_VISIBLE_DEVICES"] = ",".join(map(str, model.gpus))
        if model.threads:
            env["OMP_NUM_THREADS"] = str(model.threads)
        return self._child("model_worker", settings, self._patience_s, env, model.names)

    def online(self, provider: Provider) -> ChildPlan:
        settings = OnlineWorkerProcess(
            name=f"online_api {provider.settings.name}",
            host=self.worker_host,
            **self._of_workers,
            controller_url=self.controller_url,
            provider=provider.settings,
            api_key=provider.key,
        )
        models = tuple(model.name for model in provider.settings.models)
        return self._child("online_api", settings, self._patience_s, {}, models)

    @property
    def _key_for_app(self) -> SecretStr | None:
        """Our own gateway knows the app server; to another one it is a customer."""
        if not self.gateway_url:
            return app_key(self.secret)
        return next(iter(self.settings.openai_api.api_keys), None)

    @property
    def _common(self) -> dict[str, Any]:
        """What every process is told."""
        launcher = self.settings.launcher
        return {
            "secret": self.secret,
            "log_level": launcher.log_level,
            "drain_s": launcher.drain_s,
        }

    @property
    def _of_workers(self) -> dict[str, Any]:
        """A worker may be stopped alone, and then nobody else ends its requests: they have all the
        time that a request may take. When Shortline stops, the gateways end them."""
        common = self._common
        return {**common, "drain_s": max(common["drain_s"], WHOLE_REQUEST_S)}

    @property
    def _patience_s(self) -> float:
        return self.settings.launcher.start_deadline_s

    def _child(
        self,
        role: Role,
        settings: RoleSettings,
        deadline_s: float,
        env: Mapping[str, str] | None = None,
        serves: tuple[str, ...] = (),
    ) -> ChildPlan:
        return ChildPlan(
            name=settings.name,
            role=role,
            module=self.modules[role],
            settings=settings,
            deadline_s=deadline_s,
            env={**_EVERY_CHILD, **(env or {})},
            serves=serves,
        )


def numbered(name: str, count: int) -> list[str]:
    """`name`, `name#2`, `name#3`."""
    return [name, *(f"{name}#{number}" for number in range(2, count + 1))]


def _models(children: Sequence[ChildPlan]) -> tuple[str, ...]:
    """Each name once, in order."""
    return tuple(dict.fromkeys(model for child in children for model in child.serves))
