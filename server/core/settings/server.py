"""`servers`: model servers that run already, each joined by its address."""

from __future__ import annotations

import re
from ipaddress import ip_address
from typing import Any, Literal, Self
from urllib.parse import urlsplit

from pydantic import Field, field_validator, model_validator

from server.core.settings.section import Section, is_loopback

MAX_URL_CHARS = 1000
MAX_NAME_CHARS = 63
NAME = r"^[a-z0-9][a-z0-9_-]{0,62}$"
"""Of a server or a provider: it is part of a process's name."""
KEY_PREFIX = "SERVER_KEY_"
"""Of the variables that may be named over HTTP: whoever can name others could have any secret of
the environment sent to a server of their own."""
_NOT_IN_NAMES = re.compile(r"[^a-z0-9]+")


class JoinedServer(Section):
    """Any server that speaks OpenAI's protocol: vLLM, SGLang, Ollama, llama.cpp, TGI, Shortline.
    An address alone says it all."""

    url: str = Field(max_length=MAX_URL_CHARS)
    """Such as `http://gpu1:8000`; `/v1` is understood where it has no path."""
    name: str = Field(default="", pattern=r"^$|" + NAME)
    """For `status` and `worker`; empty: made from the address, as `gpu1-8000`."""
    api_key_env: str | None = Field(default=None, pattern=r"^[A-Za-z_][A-Za-z0-9_]{0,199}$")
    """Variable that holds its key, if it wants one; the key itself never stands in a file."""
    abilities: tuple[Literal["chat", "completions", "embeddings", "rerank"], ...] = ()
    """Of `chat`, `completions`, `embeddings`, `rerank`; empty: what the server tells, and where it
    tells nothing `chat` and `completions`."""
    slots: int = Field(default=64, ge=1, le=4096)
    """Requests sent to it at the same time."""
    speed: float = Field(default=1.0, gt=0)
    """Throughput relative to other workers of the same model."""

    @model_validator(mode="before")
    @classmethod
    def _from_address(cls, value: Any) -> Any:
        return {"url": value} if isinstance(value, str) else value

    @field_validator("url")
    @classmethod
    def _is_base(cls, url: str) -> str:
        return base_of(url)

    @model_validator(mode="after")
    def _named(self) -> Self:
        if not self.name:
            object.__setattr__(self, "name", name_from(self.url))
        return self


def base_of(url: str) -> str:
    """The address in front of `/chat/completions`. Raises `ValueError`."""
    try:
        parts = urlsplit(url.strip())
        host, port = parts.hostname, parts.port
    except ValueError as error:
        raise ValueError(f"not an address: {error}") from None
    if parts.scheme not in ("http", "https") or not host:
        raise ValueError("an address is needed such as http://gpu1:8000")
    if any(ord(letter) <= 32 or ord(letter) > 126 for letter in url.strip()):
        raise ValueError("an address has no spaces, and only letters of ASCII")
    if parts.username is not None or parts.password is not None:
        raise ValueError("no name or password in the address; a key is named by api_key_env")
    if parts.query or parts.fragment:
        raise ValueError("an address without ? and #")
    if port == 0:
        raise ValueError("port 0 is nobody's")
    _check_reachable(host)
    path = parts.path.rstrip("/") or "/v1"
    return f"{parts.scheme}://{parts.netloc.lower()}{path}"


def name_from(url: str) -> str:
    """Of an address that `base_of` has made."""
    parts = urlsplit(url)
    host = parts.hostname or ""
    path = parts.path.removesuffix("/v1")
    words = f"{'local' if is_loopback(host) else host} {parts.port or parts.scheme} {path}"
    return _NOT_IN_NAMES.sub("-", words.lower()).strip("-")[:MAX_NAME_CHARS].rstrip("-")


def _check_reachable(host: str) -> None:
    """Where no model server is, but a cloud's own secrets may be. Raises `ValueError`."""
    try:
        address = ip_address(host.partition("%")[0])
    except ValueError:
        return
    mapped = getattr(address, "ipv4_mapped", None)
    address = mapped or address
    if address.is_link_local or address.is_multicast or address.is_unspecified:
        raise ValueError(f"{host} is the address of no server (link-local, multicast or 0.0.0.0)")
