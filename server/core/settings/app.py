"""`api` and `chat`: the app server, and how its chat behaves."""

from __future__ import annotations

from pydantic import Field, field_validator

from server.core.secrets import Secret
from server.core.settings.section import Port, Section, ServerSettings, is_loopback


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
    """Its key; none: the first of `openai_api.api_keys`. That of this launch needs none."""

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
