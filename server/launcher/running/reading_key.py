"""A key in `data/run/` by which `explain` may ask the gateways that run, and do nothing else."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from pydantic import SecretStr

from server.core.draft import write_whole
from server.launcher.setup.home import Home
from server.wire.sight import reading_key

log = logging.getLogger(__name__)


def reading_key_file(home: Home) -> Path:
    return home.run / "reading-key"


@contextmanager
def kept_reading_key(home: Home, secret: SecretStr) -> Iterator[None]:
    """It lies there during the block, for this user alone."""
    file = reading_key_file(home)
    try:
        write_whole(file, reading_key(secret).get_secret_value() + "\n", lasting=False)
    except OSError as error:  # `explain` is blind then, but serving goes on
        log.warning("cannot write the reading key", extra={"reason": str(error)})
    try:
        yield
    finally:
        with suppress(OSError):
            file.unlink(missing_ok=True)


def read_reading_key(home: Home) -> SecretStr | None:
    """None when there is none, or none that we may read."""
    try:
        key = reading_key_file(home).read_text("ascii").strip()
    except (OSError, UnicodeDecodeError):
        return None
    return SecretStr(key) if key else None
