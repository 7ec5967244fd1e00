"""What can be set for one online provider: `configs/providers/*.yaml`."""

from __future__ import annotations

from typing import Literal, Self

from pydantic import Field, field_validator, model_validator

from server.core.settings import Section


class ProviderModel(Section):
    name: str
    """As our clients say it."""
    upstream: str | None = None
    """As the provider says it; none: the same."""


class ProviderSettings(Section):
    """One online provider. It is switched on by its variables being in the environment."""

    name: str = Field(pattern=r"^[a-z0-9][a-z0-9_-]{0,62}$")
    """The same as the file's."""
    base_url: str | None = None
    """In front of `/chat/completions`, such as `https://api.openai.com/v1`."""
    base_url_env: str | None = None
    """Variable that holds the base URL; used before `base_url`."""
    api_key_env: str | None = None
    """Variable that holds the key; the key itself never stands in a file."""
    api_key_optional: bool = False
    """True: the provider is switched on without a key too."""
    enabled: bool = True
    """False keeps it off even with its variables set."""
    models: tuple[ProviderModel, ...] = ()
    """Empty: ask the provider at start, and again until it is there."""
    server: bool = False
    """True: a server of your own. Which one it is (vLLM, SGLang, Ollama, llama.cpp, TGI) is found
    out by asking it, and models that come and go there come and go here."""
    abilities: tuple[Literal["chat", "completions", "embeddings", "rerank"], ...] = ("chat",)
    """Of `chat`, `completions`, `embeddings`, `rerank`; of a `server` empty: what it tells."""
    max_tokens_field: Literal["max_tokens", "max_completion_tokens"] = "max_tokens"
    """What the provider calls the most tokens of an answer, for requests of `/v1/responses` and
    `/v1/messages`; chats go to it as they came."""
    slots: int = Field(default=64, ge=1, le=4096)
    """Requests sent to it at the same time."""
    speed: float = Field(default=1.0, gt=0)
    """Throughput relative to other workers of the same model."""

    @field_validator("models", mode="before")
    @classmethod
    def _names(cls, models: object) -> object:
        if isinstance(models, list | tuple):
            return [{"name": m} if isinstance(m, str) else m for m in models]
        return models

    @field_validator("base_url")
    @classmethod
    def _http(cls, url: str | None) -> str | None:
        if url is not None and not url.startswith(("http://", "https://")):
            raise ValueError("an address starts with http:// or https://")
        return url.rstrip("/") if url else url

    @model_validator(mode="after")
    def _has_address(self) -> Self:
        if self.base_url is None and self.base_url_env is None:
            raise ValueError("base_url or base_url_env is missing")
        return self
