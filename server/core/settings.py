"""What can be set, with its defaults: `configs/fleet.yaml` and `configs/app.yaml`.

Every field of `FleetSettings` can be overridden by `SHORTLINE_<SECTION>__<FIELD>`.
"""

from __future__ import annotations

from ipaddress import ip_address
from typing import Annotated, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, field_validator, model_validator

from server.core.dispatch import Method
from server.core.limits import DRAIN_S, QUEUE_PER_WORKER
from server.core.secrets import Secret

Port = Annotated[int, Field(ge=0, le=65535)]
LogLevel = Literal["debug", "info", "warning", "error"]
MIN_SECRET_CHARS = 32
MIN_KEY_CHARS = 8


def is_wildcard(host: str) -> bool:
    """Whether `host` means every address of this machine: `0.0.0.0` or `::`."""
    try:
        return ip_address(host).is_unspecified
    except ValueError:
        return False


def is_loopback(host: str) -> bool:
    """Whether `host` names this machine only. `127.0.0.1.example.org` does not."""
    if host == "localhost":
        return True
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return False


class Section(BaseModel):
    model_config = ConfigDict(
        frozen=True, extra="forbid", allow_inf_nan=False, use_attribute_docstrings=True
    )


class ServerSettings(Section):
    host: str = "127.0.0.1"
    """Address to listen on; beyond loopback only with keys."""
    port: Port
    """0: choose a free one."""
    allowed_hosts: tuple[str, ...] = ()
    """Names besides loopback and `host` that a client may ask for in its `Host` header. Where
    `host` is `0.0.0.0` or `::`, any IP address may be asked for too."""
    allowed_origins: tuple[str, ...] = ()
    """Web pages of other hosts that may call this port from a browser, as `https://example.org`."""


class ControllerSettings(ServerSettings):
    port: Port = 20001
    """0: choose a free one."""
    dispatch: Method = "shortest_queue"
    """`shortest_queue`, or `lottery`: at random, in proportion to speed."""
    secret: Secret | None = None
    """Shared by every machine of one fleet; made anew at each start when not set."""
    fastchat_workers: tuple[str, ...] = ()
    """`host:port` of FastChat workers that may join without the secret."""

    @model_validator(mode="after")
    def _secret_beyond_loopback(self) -> Self:
        if not is_loopback(self.host) and self.secret is None:
            raise ValueError(
                f"host {self.host!r} can be reached from other machines, so secret must be set "
                "(SHORTLINE_CONTROLLER__SECRET, the same on every machine of the fleet)"
            )
        return self

    @field_validator("secret")
    @classmethod
    def _long_enough(cls, secret: Secret | None) -> Secret | None:
        if secret is not None and len(secret.get_secret_value()) < MIN_SECRET_CHARS:
            raise ValueError(f"a secret has at least {MIN_SECRET_CHARS} characters")
        return secret


class GatewaySettings(ServerSettings):
    port: Port = 20000
    """0: choose a free one."""
    api_keys: tuple[Secret, ...] = ()
    """When there is one, every request needs one of them as `Authorization: Bearer …`."""

    @field_validator("api_keys", mode="before")
    @classmethod
    def _a_list(cls, keys: object) -> object:
        if isinstance(keys, str):
            raise ValueError('a list is wanted, such as ["sk-mine"]')
        return keys

    @field_validator("api_keys")
    @classmethod
    def _usable(cls, keys: tuple[Secret, ...]) -> tuple[Secret, ...]:
        for key in keys:
            text = key.get_secret_value()
            if len(text) < MIN_KEY_CHARS or not text.isascii() or " " in text:
                raise ValueError(f"a key has at least {MIN_KEY_CHARS} plain characters, no spaces")
        return keys

    @model_validator(mode="after")
    def _keys_beyond_loopback(self) -> Self:
        if not is_loopback(self.host) and not self.api_keys:
            raise ValueError(
                f"host {self.host!r} can be reached from other machines, so api_keys must be set "
                "(SHORTLINE_OPENAI_API__API_KEYS='[\"…\"]')"
            )
        return self


class AppSettings(ServerSettings):
    """The app server: the web UI and what it talks to."""

    port: Port = 7861
    """0: choose a free one."""
    database: str = Field(default="", repr=False)
    """Where conversations are kept: `sqlite+aiosqlite:////a/file.db` or
    `postgresql+asyncpg://user:password@host/name`; empty: `data/shortline.db` in the home."""
    gateway_url: str | None = None
    """The OpenAI API that the chat asks, as `http://host:port`; none: the one of this launch."""
    gateway_key: Secret | None = None
    """Its key; none: the first of `openai_api.api_keys`."""

    @field_validator("host")
    @classmethod
    def _loopback_only(cls, host: str) -> str:
        if not is_loopback(host):
            raise ValueError(
                f"host {host!r} can be reached from other machines; the app server has no accounts "
                "yet, so until then it listens on 127.0.0.1 only"
            )
        return host

    @field_validator("database")
    @classmethod
    def _known_database(cls, url: str) -> str:
        if url and not url.startswith(("sqlite+aiosqlite:///", "postgresql+asyncpg://")):
            raise ValueError("a database starts with sqlite+aiosqlite:/// or postgresql+asyncpg://")
        return url

    @field_validator("gateway_url")
    @classmethod
    def _base_address(cls, url: str | None) -> str | None:
        if url is not None and not url.startswith(("http://", "https://")):
            raise ValueError("an address starts with http:// or https://")
        return url.rstrip("/").removesuffix("/v1").rstrip("/") if url else url


class ChatSettings(Section):
    """How the chat of the app server behaves."""

    default_model: str = ""
    """Asked when a conversation names none; empty: the first that is there."""
    system: str = Field(default="", max_length=100_000)
    """System prompt of conversations that have none of their own."""
    window_turns: int = Field(default=200, ge=1, le=10_000)
    """Exchanges that the model is told of at most; fewer when its context is short."""
    grace_s: float = Field(default=120.0, ge=0)
    """An answer that nobody listens to goes on for so long."""
    recover_s: float = Field(default=60.0, ge=0)
    """How long an answer whose model was lost tries to find one again."""
    checkpoint_s: float = Field(default=0.2, gt=0)
    """How often the text of running answers is written to the database."""
    max_running: int = Field(default=256, ge=1)
    """Answers that are written at the same time."""
    max_streams: int = Field(default=2000, ge=1)
    """Browsers that listen at the same time."""


class ModelSettings(Section):
    """One local model; each of its replicas is a process of its own."""

    name: str = Field(min_length=1, max_length=200, pattern=r"^[^\s/\\]+(/[^\s/\\]+)*$")
    """As clients say it in `model`."""
    path: str = Field(min_length=1)
    """A folder, a hub name such as `Qwen/Qwen3-0.6B`, or `bundled:` and a name."""
    engine: str = "transformers"
    """A file of `server/worker/engines/`."""
    enabled: bool = True
    """False: not started, unless named by `-n`."""
    replicas: int = Field(default=1, ge=1, le=64)
    """Processes that serve this model."""
    device: Literal["auto", "cpu", "cuda", "mps"] = "auto"
    """`auto`, `cpu`, `cuda`, `mps`."""
    gpus: tuple[Annotated[int, Field(ge=0)], ...] = ()
    """GPU numbers this model may see; empty: all of them."""
    memory_per_gpu: str | None = Field(default=None, pattern=r"^\d+(\.\d+)?(GiB|MiB|GB|MB)$")
    """The most to use of each GPU, such as `20GiB`."""
    dtype: Literal["auto", "float32", "float16", "bfloat16"] = "auto"
    """`auto` is float32 on a CPU, the model's own on a GPU; or `float32`, `float16`, `bfloat16`."""
    threads: int | None = Field(default=None, ge=1, le=256)
    """CPU threads for one step; none: torch decides."""
    slots: int = Field(default=4, ge=1, le=1024)
    """Requests worked on at the same time."""
    queue: int = Field(default=QUEUE_PER_WORKER, ge=0, le=4096)
    """Requests that wait for a slot; one more gets 429."""
    speed: float = Field(default=1.0, gt=0)
    """Throughput relative to the other workers of the same model."""
    context_length: int | None = Field(default=None, ge=16)
    """Tokens of prompt and answer; none: what the model says."""
    conversation_template: str | None = None
    """A FastChat template, for models without a chat template of their own."""
    trust_remote_code: bool = False
    """True runs Python code that comes with the model."""
    fastchat_controller: str | None = Field(default=None, pattern=r"^https?://[^/\s]+/?$")
    """A FastChat controller that this model joins as well. FastChat has no secret, so the model's
    FastChat routes are then open to whoever reaches its port."""
    options: dict[str, str | int | float | bool] = {}
    """What only one engine understands; its file says what."""


class LauncherSettings(Section):
    log_level: LogLevel = "info"
    """`debug`, `info`, `warning`, `error`."""
    start_deadline_s: float = Field(default=600.0, gt=0)
    """A model that has not loaded by then has failed."""
    drain_s: float = Field(default=DRAIN_S, gt=0)
    """Time for running requests when Shortline stops; then they end with an error event."""


class FleetSettings(Section):
    """The whole of `configs/fleet.yaml` and `configs/app.yaml`."""

    launcher: LauncherSettings = LauncherSettings()
    controller: ControllerSettings = ControllerSettings()
    openai_api: GatewaySettings = GatewaySettings()
    models: tuple[ModelSettings, ...] = ()
    api: AppSettings = AppSettings()
    chat: ChatSettings = ChatSettings()

    @field_validator("models", mode="before")
    @classmethod
    def _none_at_all(cls, models: object) -> object:
        return () if models is None else models  # the key stands there, all below it is a comment

    @field_validator("models")
    @classmethod
    def _different_names(cls, models: tuple[ModelSettings, ...]) -> tuple[ModelSettings, ...]:
        names = [model.name for model in models]
        twice = sorted({name for name in names if names.count(name) > 1})
        if twice:
            raise ValueError(f"named more than once: {', '.join(twice)}")
        return models
