"""What all settings have in common."""

from __future__ import annotations

from ipaddress import ip_address
from typing import Annotated, Any

from pydantic import (
    BaseModel,
    ConfigDict,
    Field,
    ValidationError,
    ValidatorFunctionWrapHandler,
)
from pydantic_core import InitErrorDetails

Port = Annotated[int, Field(ge=0, le=65535)]


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


def read_beside(wrong: str, value: Any, read: ValidatorFunctionWrapHandler) -> Any:
    """What `read` makes of `value`; what is `wrong` with the whole of it, if anything is, is told
    beside the mistakes that `read` finds in its parts, and not when those are mended."""
    try:
        made = read(value)
    except ValidationError as error:
        if not wrong:
            raise
        raise _with_one_more(error, wrong, value) from None
    if wrong:
        raise ValueError(wrong)
    return made


def _with_one_more(error: ValidationError, wrong: str, value: Any) -> ValidationError:
    details = [
        InitErrorDetails(
            type=detail["type"],
            loc=detail["loc"],
            input=detail["input"],
            ctx=detail.get("ctx", {}),
        )
        for detail in error.errors()
    ]
    of_all = InitErrorDetails(type="value_error", input=value, ctx={"error": ValueError(wrong)})
    return ValidationError.from_exception_data(error.title, [*details, of_all])


class Section(BaseModel):
    model_config = ConfigDict(
        frozen=True,
        extra="forbid",
        allow_inf_nan=False,
        use_attribute_docstrings=True,
        defer_build=True,  # every process knows all the sections, and reads one or two of them
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
