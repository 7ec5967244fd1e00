"""One YAML file: its values, the line of each key, and all that is wrong with it as YAML."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

import yaml

from server.core.errors import ConfigError

KeyPath = tuple[str | int, ...]

_NO_SUCH_VALUE: Final = {
    "tag:yaml.org,2002:int": "this is no number, or one of too many digits",
    "tag:yaml.org,2002:timestamp": "there is no such date; write it in quotes if it is a name",
}
"""By what YAML takes a bare word for, where it can be nothing of the kind."""


@dataclass(slots=True)
class YamlFile:
    values: dict[str, Any] = field(default_factory=dict)
    """Of a key that stands there twice, the last one; in the place of a `spoiled` one, its text."""
    lines: dict[KeyPath, int] = field(default_factory=dict)
    problems: list[str] = field(default_factory=list)
    """Those that leave the rest readable."""
    spoiled: set[KeyPath] = field(default_factory=set)
    """Keys whose values cannot be read, as `problems` says."""


def read_yaml(file: Path) -> YamlFile:
    """What stands in `file`. Raises `ConfigError` if it is no mapping that YAML can read."""
    found = YamlFile()
    try:
        root = yaml.compose(file.read_text("utf-8"), Loader=yaml.SafeLoader)
        if root is None:
            return found
        if not isinstance(root, yaml.MappingNode):
            raise ConfigError([f"{file}, line 1: expected keys and values"])
        _look(root, file, (), found)
        found.values = yaml.SafeLoader("").construct_document(root)
        return found
    except UnicodeDecodeError as error:
        raise ConfigError([f"{file}: not UTF-8 (byte {error.start})"]) from error
    except OSError as error:
        raise ConfigError([f"{file}: {error.strerror}"]) from error
    except yaml.YAMLError as error:
        raise ConfigError([f"{file}{_mark(error)}: not YAML: {_reason(error)}"]) from error


def _look(node: yaml.Node, file: Path, at: KeyPath, found: YamlFile) -> None:
    """Note the lines of all keys below `at`, and what is wrong there."""
    if isinstance(node, yaml.MappingNode):
        seen: set[str] = set()
        for key, value in node.value:
            if not isinstance(key, yaml.ScalarNode):
                continue  # no key of ours; what YAML cannot read either, it says itself
            line = key.start_mark.line + 1
            if key.value in seen:
                found.problems.append(f"{file}, line {line}: {key.value!r} stands here twice")
            seen.add(key.value)
            found.lines[*at, key.value] = line
            _look(value, file, (*at, key.value), found)
    elif isinstance(node, yaml.SequenceNode):
        for index, item in enumerate(node.value):
            found.lines[*at, index] = item.start_mark.line + 1
            _look(item, file, (*at, index), found)
    elif node.tag in _NO_SUCH_VALUE:
        _demand_value(node, file, at, found)


def _demand_value(node: yaml.Node, file: Path, at: KeyPath, found: YamlFile) -> None:
    """Note a number or a date that there is not, and take it for a text from here on."""
    try:
        yaml.SafeLoader("").construct_object(node)
    except ValueError:
        place = f"{file}, line {node.start_mark.line + 1}: {'.'.join(map(str, at))}"
        found.problems.append(f"{place}: {_NO_SUCH_VALUE[node.tag]}")
        found.spoiled.add(at)
        node.tag = "tag:yaml.org,2002:str"


def _mark(error: yaml.YAMLError) -> str:
    mark = getattr(error, "problem_mark", None)
    return f", line {mark.line + 1}" if mark else ""


def _reason(error: yaml.YAMLError) -> str:
    return getattr(error, "problem", None) or str(error)
