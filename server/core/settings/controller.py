"""`controller`: who is alive, who serves what."""

from __future__ import annotations

from pydantic import Field, ValidationInfo, field_validator

from server.core.dispatch import Method
from server.core.secrets import Secret
from server.core.settings.section import Port, ServerSettings, is_loopback

MIN_SECRET_CHARS = 32


class ControllerSettings(ServerSettings):
    port: Port = 20001
    """0: choose a free one."""
    dispatch: Method = "shortest_queue"
    """`shortest_queue` (several gateways reckon with one another), or `lottery`: at random,
    in proportion to speed."""
    secret: Secret | None = Field(default=None, validate_default=True)
    """Shared by every machine of one fleet; made anew at each start when not set."""
    fastchat_workers: tuple[str, ...] = ()
    """`host:port` of FastChat workers that may join without the secret."""

    @field_validator("secret")
    @classmethod
    def _long_enough(cls, secret: Secret | None) -> Secret | None:
        if secret is not None and len(secret.get_secret_value()) < MIN_SECRET_CHARS:
            raise ValueError(f"a secret has at least {MIN_SECRET_CHARS} characters")
        return secret

    @field_validator("secret")
    @classmethod
    def _secret_beyond_loopback(cls, secret: Secret | None, info: ValidationInfo) -> Secret | None:
        host = info.data.get("host")  # none: it is wrong, and that is told
        if secret is None and host is not None and not is_loopback(host):
            raise ValueError(
                f"host {host!r} can be reached from other machines, so secret must be set "
                "(SHORTLINE_CONTROLLER__SECRET, the same on every machine of the fleet)"
            )
        return secret
