"""`openai_api`: the OpenAI-compatible API."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import suppress
from typing import Any, Literal

from pydantic import (
    Field,
    ValidationError,
    ValidationInfo,
    ValidatorFunctionWrapHandler,
    field_validator,
)

from server.core.limits import WAKE_S, WHOLE_REQUEST_S
from server.core.secrets import Secret
from server.core.settings.route import RouteSettings, check_routes
from server.core.settings.section import Port, Section, ServerSettings, is_loopback, read_beside

MIN_KEY_CHARS = 8


class TracingSettings(Section):
    """OpenTelemetry: a span for each request and each attempt at a worker."""

    endpoint: str = Field(default="", pattern=r"^(https?://\S+)?$")
    """OTLP over HTTP, such as `http://127.0.0.1:4318/v1/traces`; empty: no traces."""
    headers: dict[str, Secret] = Field(default={}, repr=False)
    """Sent with every export, such as the collector's key."""
    sample: float = Field(default=1.0, ge=0, le=1)
    """Share of the requests without a `traceparent` of their own that are traced."""


class GatewaySettings(ServerSettings):
    port: Port = 20000
    """0: choose a free one."""
    workers: int = Field(default=1, ge=1, le=64)
    """Processes that share this port."""
    require_api_key: bool = False
    """True: every request needs a key, also while there is none."""
    api_keys: tuple[Secret, ...] = Field(default=(), validate_default=True)
    """When there is one, every request needs one of them as `Authorization: Bearer …`, or one made
    by `startup.py key create`."""
    routes: tuple[RouteSettings, ...] = ()
    """Aliases, groups and fallback chains: `{name: gpt-4o, to: [a, b], fallback: [c]}`."""
    affinity: Literal["none", "session", "prefix"] = "none"
    """`session`: requests of one `X-Session-Id` (or `user`) stay with one worker while its line is
    not much longer than the others'; `prefix`: those that begin with the same messages."""
    failover: bool = True
    """An answer that would be the same again (temperature 0) goes on at another worker when its
    own dies in mid-stream."""
    wake_s: float = Field(default=WAKE_S, gt=0, le=WHOLE_REQUEST_S)
    """How long a request waits for a model that is loaded for it, or swapped."""
    log_requests: bool = False
    """One line in the log for each request, also for those that went well."""
    tracing: TracingSettings = Field(default_factory=TracingSettings)
    """See below."""

    @field_validator("routes", mode="wrap")
    @classmethod
    def _lead_somewhere(cls, routes: Any, read: ValidatorFunctionWrapHandler) -> Any:
        wrong = ""
        try:
            check_routes(_readable(routes))
        except ValueError as error:
            wrong = str(error)
        return read_beside(wrong, routes, read)

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

    @field_validator("api_keys")
    @classmethod
    def _keys_beyond_loopback(
        cls, keys: tuple[Secret, ...], info: ValidationInfo
    ) -> tuple[Secret, ...]:
        known = info.data  # what is wrong is not there, and told already
        host, required = known.get("host"), known.get("require_api_key", True)
        if host is not None and not is_loopback(host) and not (keys or required):
            raise ValueError(
                f"host {host!r} can be reached from other machines, so api_keys must be set "
                "(SHORTLINE_OPENAI_API__API_KEYS='[\"…\"]'), or require_api_key and a key made by "
                "`startup.py key create`"
            )
        return keys


def _readable(routes: Any) -> Iterator[RouteSettings]:
    """Those without mistakes of their own."""
    for route in routes if isinstance(routes, list | tuple) else ():
        with suppress(ValidationError):
            yield RouteSettings.model_validate(route)
