"""Reads configuration files and the environment; nothing else reads either.

A mistake is reported with file, key, line and what was expected, all mistakes at once.
"""

from __future__ import annotations

import json
import os
from collections.abc import Hashable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, TypeVar

import yaml
from pydantic import BaseModel, SecretStr, ValidationError

from server.core.errors import ConfigError

ENV_PREFIX = "SHORTLINE_"
NESTED = "__"
NO_SETTINGS = frozenset({"SHORTLINE_WEB"})
"""Variables that speak to the build (`hatch_build.py`), and may be left over from it."""

KeyPath = tuple[str | int, ...]
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
    values, places = _read_all(files)
    overrides = _overrides(environ or {})
    if misplaced := list(_misplaced(values, overrides)):
        raise ConfigError([_no_entry(at, count, environ or {}) for at, count in misplaced])
    try:
        return kind.model_validate(_merge(values, overrides))
    except ValidationError as error:
        problems = [_explain(detail, files[0], places, overrides) for detail in error.errors()]
        raise ConfigError(problems) from None


def _read_all(files: Sequence[Path]) -> tuple[dict[str, Any], dict[KeyPath, str]]:
    """What stands in `files` together, and the place of each key: `FILE, line N`."""
    values: dict[str, Any] = {}
    places: dict[KeyPath, str] = {}
    problems = []
    for file in filter(Path.exists, files):
        try:
            found, lines = read_yaml(file)
        except ConfigError as error:
            problems += error.problems
            continue
        here = {at: f"{file}, line {line}" for at, line in lines.items()}
        problems += [
            f"{here[key,]}: {key!r} stands in {places[key,]} as well"
            for key in found
            if key in values
        ]
        values |= found
        places |= here
    if problems:
        raise ConfigError(problems)
    return values, places


def read_yaml(file: Path) -> tuple[dict[str, Any], dict[KeyPath, int]]:
    """The mapping in `file`, and the line of each of its keys. Raises `ConfigError`."""
    try:
        text = file.read_text("utf-8")
        root = yaml.compose(text, Loader=yaml.SafeLoader)
        if root is None:
            return {}, {}
        if not isinstance(root, yaml.MappingNode):
            raise ConfigError([f"{file}, line 1: expected keys and values"])
        lines = dict(_lines(root, file))
        return yaml.safe_load(text), lines
    except UnicodeDecodeError as error:
        raise ConfigError([f"{file}: not UTF-8 (byte {error.start})"]) from error
    except OSError as error:
        raise ConfigError([f"{file}: {error.strerror}"]) from error
    except yaml.YAMLError as error:
        raise ConfigError([f"{file}{_mark(error)}: not YAML: {_reason(error)}"]) from error


def _lines(node: yaml.Node, file: Path, at: KeyPath = ()) -> Iterator[tuple[KeyPath, int]]:
    if isinstance(node, yaml.MappingNode):
        seen: set[Hashable] = set()
        for key, value in node.value:
            if key.value in seen:
                line = key.start_mark.line + 1
                raise ConfigError([f"{file}, line {line}: {key.value!r} stands here twice"])
            seen.add(key.value)
            yield (*at, key.value), key.start_mark.line + 1
            yield from _lines(value, file, (*at, key.value))
    elif isinstance(node, yaml.SequenceNode):
        for index, item in enumerate(node.value):
            yield (*at, index), item.start_mark.line + 1
            yield from _lines(item, file, (*at, index))


def _mark(error: yaml.YAMLError) -> str:
    mark = getattr(error, "problem_mark", None)
    return f", line {mark.line + 1}" if mark else ""


def _reason(error: yaml.YAMLError) -> str:
    return getattr(error, "problem", None) or str(error)


def _overrides(environ: Mapping[str, str]) -> dict[str, Any]:
    """`SHORTLINE_A__B=v` as `{"a": {"b": "v"}}`; a value that starts like JSON is read as JSON."""
    tree: dict[str, Any] = {}
    for variable, value in environ.items():
        if not variable.startswith(ENV_PREFIX) or variable in NO_SETTINGS:
            continue
        *sections, field = variable.removeprefix(ENV_PREFIX).lower().split(NESTED)
        node = tree
        for section in sections:
            node = node.setdefault(section, {})
            if not isinstance(node, dict):
                raise ConfigError([f"environment variable {variable}: {section} is set as a whole"])
        node[field] = _parsed(variable, value)
    return tree


def _parsed(variable: str, value: str) -> Any:
    if not value.startswith(("[", "{")):
        return value
    try:
        return json.loads(value)
    except ValueError as error:
        raise ConfigError([f"environment variable {variable}: not JSON: {error}"]) from None


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
    if _is_in(overrides, at):
        variable = ENV_PREFIX + NESTED.join(str(part) for part in at).upper()
        return f"environment variable {variable}: {wrong}"
    holders = (at[:n] for n in range(len(at), 0, -1))
    where = next((places[holder] for holder in holders if holder in places), str(file))
    return f"{where}: {key}: {wrong}"


def _may_be_shown(at: KeyPath, value: Any) -> bool:
    """Whether `value` is short to say and no secret."""
    secret = any(word in str(part) for part in at for word in ("secret", "key", "token"))
    return isinstance(value, str | int | float | bool) and not secret


def _is_in(tree: Any, at: KeyPath) -> bool:
    """Whether the value at `at`, or one that holds it, came from the environment."""
    for part in at:
        if not isinstance(tree, dict):
            return True
        if str(part) not in tree:
            return False
        tree = tree[str(part)]
    return bool(at)
