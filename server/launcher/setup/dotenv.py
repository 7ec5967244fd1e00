"""`configs/.env`: secrets that need not be exported by hand."""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path

from server.core.config import ENV_PREFIX
from server.core.errors import ConfigError

_LINE = re.compile(r"(?:export\s+)?([A-Za-z_][A-Za-z0-9_]*)\s*=\s*(.*)")


def with_env_file(environ: Mapping[str, str], file: Path) -> Mapping[str, str]:
    """`environ`, and what `file` adds to it; a variable that is there already stays as it is.

    Raises `ConfigError` for a file that others can read or that makes no sense.
    """
    if not file.exists():
        return environ
    mode = file.stat().st_mode & 0o777
    if mode & 0o077:
        raise ConfigError(
            [f"{file}: other users can read it (mode {mode:o}); mend it with: chmod 600 {file}"]
        )
    try:
        return {**parse_env(file.read_text("utf-8"), file), **environ}
    except UnicodeDecodeError as error:
        raise ConfigError([f"{file}: not UTF-8 (byte {error.start})"]) from error
    except OSError as error:
        raise ConfigError([f"{file}: {error.strerror}"]) from error


def parse_env(text: str, file: Path) -> dict[str, str]:
    """`KEY=VALUE` lines; the messages never show a value. Raises `ConfigError`."""
    found: dict[str, str] = {}
    problems = []
    for number, line in enumerate(text.splitlines(), start=1):
        line = line.strip()
        if not line or line.startswith("#"):
            continue
        match = _LINE.fullmatch(line)
        if match is None:
            problems.append(f"{file}, line {number}: expected NAME=value")
        else:
            found[match[1]] = _unquoted(match[2].strip())
    if problems:
        raise ConfigError(problems)
    return found


def _unquoted(value: str) -> str:
    if len(value) >= 2 and value[0] == value[-1] and value[0] in "'\"":
        return value[1:-1]
    return value


def childrens_environ(environ: Mapping[str, str], hidden: frozenset[str]) -> dict[str, str]:
    """`environ` without our settings and without the providers' keys (`hidden`)."""
    return {
        name: value
        for name, value in environ.items()
        if name not in hidden and not name.startswith(ENV_PREFIX)
    }
