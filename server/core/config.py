"""Reads configuration files and the environment; nothing else reads either.

A mistake is reported with file, key, line and what was expected, all mistakes at once.
"""

from __future__ import annotations

import json
import os
from collections.abc import Container, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TypeVar

from pydantic import BaseModel, SecretStr, ValidationError

from server.core.errors import ConfigError
from server.core.strict_json import whole
from server.core.yaml_file import KeyPath, read_yaml

ENV_PREFIX = "SHORTLINE_"
NESTED = "__"
NO_SETTINGS = frozenset({"SHORTLINE_WEB"})
"""Variables that speak to the build (`hatch_build.py`), and may be left over from it."""
MAX_SHOWN_CHARS = 100
"""Of a wrong value, so that its line can be read."""

Settings = TypeVar("Settings", bound=BaseModel)


def environment() -> Mapping[str, str]:
    """The only place that reads the process's environment."""
    return os.environ.copy()


def secret_from(environ: Mapping[str, str], variable: str | None) -> SecretStr | None:
    """The value of `variable`, stripped; None when it is absent or blank."""
    value = environ.get(variable, "").strip() if variable else ""
    return SecretStr(value) if value else None


def read_settings(
    kind: type[Settings], *files: Path, environ: Mapping[str, str] | None = None
) -> Settings:
    """`kind` filled from `files` (absent: defaults), overridden by `SHORTLINE_…` in `environ`.

    Each section stands in one of the files only. Raises `ConfigError`.
    """
    found = _read_all(files)
    overrides, wrong = _overrides(environ or {})
    problems = found.problems + wrong
    if not found.is_whole:
        if not found.values:
            raise ConfigError(problems)
        overrides = {}  # they may speak of what stands in the file that could not be read
    for at, count in _misplaced(found.values, overrides):
        problems.append(_no_entry(at, count, environ or {}))
    try:
        settings = kind.model_validate(_merge(found.values, overrides))
        if not problems:
            return settings
    except ValidationError as error:
        for detail in error.errors():
            if detail["loc"] not in found.spoiled:
                problems.append(_explain(detail, files[0], found.places, overrides))
    raise ConfigError(problems)


@dataclass(slots=True)
class _Files:
    """What stands in several files together."""

    values: dict[str, Any] = field(default_factory=dict)
    places: dict[KeyPath, str] = field(default_factory=dict)
    """`FILE, line N` of each key."""
    problems: list[str] = field(default_factory=list)
    spoiled: set[KeyPath] = field(default_factory=set)
    """Keys of which `problems` tells already."""
    is_whole: bool = True
    """False: one of them could not be read."""


def _read_all(files: Sequence[Path]) -> _Files:
    read = _Files()
    for file in filter(Path.exists, files):
        try:
            found = read_yaml(file)
        except ConfigError as error:
            read.problems += error.problems
            read.is_whole = False
            continue
        here = {at: f"{file}, line {line}" for at, line in found.lines.items()}
        read.problems += found.problems
        read.problems += [
            f"{place}: {at[0]!r} stands in {read.places[at]} as well"
            for at, place in here.items()
            if len(at) == 1 and at in read.places
        ]
        read.values |= found.values
        read.places |= here
        read.spoiled |= found.spoiled
    return read


def _overrides(environ: Mapping[str, str]) -> tuple[dict[str, Any], list[str]]:
    """`SHORTLINE_A__B=v` as `{"a": {"b": "v"}}`, and what is wrong with such variables."""
    tree: dict[str, Any] = {}
    problems: list[str] = []
    for variable, value in environ.items():
        if variable.startswith(ENV_PREFIX) and variable not in NO_SETTINGS:
            try:
                _put(tree, variable, value)
            except ValueError as error:
                problems.append(f"environment variable {variable}: {error}")
    return tree, problems


def _put(tree: dict[str, Any], variable: str, value: str) -> None:
    """Raises `ValueError`, in words of ours."""
    *sections, last = variable.removeprefix(ENV_PREFIX).lower().split(NESTED)
    node = tree
    for section in sections:
        node = node.setdefault(section, {})
        if not isinstance(node, dict):
            raise ValueError(f"{section} is set as a whole")
    node[last] = _parsed(value)


def _parsed(value: str) -> Any:
    """A value that starts like JSON is read as JSON."""
    if not value.startswith(("[", "{")):
        return value
    try:
        return json.loads(value, parse_int=whole)
    except ValueError as error:
        raise ValueError(f"not JSON: {error}") from None


def _misplaced(base: Any, over: Any, at: KeyPath = ()) -> Iterator[tuple[KeyPath, int]]:
    """Where `over` names an entry that a list does not have, and how many that list has."""
    if not isinstance(over, dict) or not isinstance(base, dict | list):
        return
    known = base if isinstance(base, dict) else {str(i): item for i, item in enumerate(base)}
    for key, value in over.items():
        if isinstance(base, list) and key not in known:
            yield (*at, key), len(base)
        else:
            yield from _misplaced(known.get(key), value, (*at, key))


def _no_entry(at: KeyPath, count: int, environ: Mapping[str, str]) -> str:
    *section, key = map(str, at)
    whole = (ENV_PREFIX + NESTED.join(map(str, at))).upper()
    variable = next((name for name in environ if _meet(name.upper(), whole)), whole)
    known = f"0 to {count - 1}" if count else "none"
    return (
        f"environment variable {variable}: {'.'.join(section)} has no entry {key} "
        f"(entries are numbered: {known})"
    )


def _meet(variable: str, other: str) -> bool:
    """Whether one sets what the other sets, or a part of it."""
    first, second = variable + NESTED, other + NESTED
    return first.startswith(second) or second.startswith(first)


def _merge(base: Any, over: Any) -> Any:
    if isinstance(base, dict) and isinstance(over, dict):
        return base | {key: _merge(base.get(key), value) for key, value in over.items()}
    if isinstance(base, list) and isinstance(over, dict):
        return [_merge(item, over.get(str(index), item)) for index, item in enumerate(base)]
    return over


def _explain(detail: Any, file: Path, places: dict[KeyPath, str], overrides: dict[str, Any]) -> str:
    """`file`: where a setting belongs that stands nowhere."""
    at: KeyPath = detail["loc"]
    key = ".".join(str(part) for part in at) or "the file"
    wrong = detail["msg"].removeprefix("Value error, ")
    if detail["type"] == "extra_forbidden":
        wrong = "there is no such setting"
    elif detail["type"] not in {"missing", "value_error"} and _may_be_shown(at, detail["input"]):
        wrong = f"{wrong}, not {detail['input']!r}"
    if _is_in(overrides, at, places):
        variable = ENV_PREFIX + NESTED.join(str(part) for part in at).upper()
        return f"environment variable {variable}: {wrong}"
    holders = (at[:n] for n in range(len(at), 0, -1))
    where = next((places[holder] for holder in holders if holder in places), str(file))
    return f"{where}: {key}: {wrong}"


def _may_be_shown(at: KeyPath, value: Any) -> bool:
    """Whether `value` is short to say and no secret."""
    secret = any(word in str(part) for part in at for word in ("secret", "key", "token"))
    if isinstance(value, int):  # which Python does not even write when it is very long
        return abs(value) < 10**MAX_SHOWN_CHARS and not secret
    return isinstance(value, str | float) and len(str(value)) <= MAX_SHOWN_CHARS and not secret


def _is_in(tree: Any, at: KeyPath, places: Container[KeyPath]) -> bool:
    """Whether the value at `at`, or one that holds it, came from the environment; what only has
    parts from there is still that of the file where it stands."""
    for part in at:
        if not isinstance(tree, dict):
            return True
        if str(part) not in tree:
            return False
        tree = tree[str(part)]
    return bool(at) and not (isinstance(tree, dict) and at in places)
