from __future__ import annotations

from pathlib import Path

import pytest

from server.core.errors import ConfigError
from server.core.yaml_file import YamlFile, read_yaml


def read(text: str, tmp_path: Path) -> YamlFile:
    file = tmp_path / "a.yaml"
    file.write_text(text, "utf-8")
    found = read_yaml(file)
    found.problems = [problem.replace(str(file), "a.yaml") for problem in found.problems]
    return found


def test_every_key_has_its_line(tmp_path: Path) -> None:
    found = read("a:\n  b: 1\n  c:\n    - d: 2\n    - 3\n", tmp_path)
    assert found.values == {"a": {"b": 1, "c": [{"d": 2}, 3]}}
    assert found.lines == {
        ("a",): 1,
        ("a", "b"): 2,
        ("a", "c"): 3,
        ("a", "c", 0): 4,
        ("a", "c", 0, "d"): 4,
        ("a", "c", 1): 5,
    }
    assert not (found.problems or found.spoiled)


def test_an_empty_file_says_nothing(tmp_path: Path) -> None:
    assert read("# nothing\n", tmp_path) == YamlFile()


def test_every_key_that_stands_twice_is_told_and_the_last_one_counts(tmp_path: Path) -> None:
    found = read("a: 1\nb: {c: 1, c: 2}\na: 3\n", tmp_path)
    assert found.problems == [
        "a.yaml, line 2: 'c' stands here twice",
        "a.yaml, line 3: 'a' stands here twice",
    ]
    assert found.values == {"a": 3, "b": {"c": 2}}


@pytest.mark.parametrize(
    ("value", "says"),
    [
        ("1" * 5000, "this is no number, or one of too many digits"),
        ("0b_", "this is no number, or one of too many digits"),
        ("2026-13-45", "there is no such date; write it in quotes if it is a name"),
    ],
)
def test_what_only_looks_like_a_number_or_a_date_is_told_and_the_rest_is_read(
    value: str, says: str, tmp_path: Path
) -> None:
    found = read(f"a:\n  - b: {value}\n    c: 2026-11-21\n    d: 0x1f\n", tmp_path)
    assert found.problems == [f"a.yaml, line 2: a.0.b: {says}"]
    assert found.spoiled == {("a", 0, "b")}
    (item,) = found.values["a"]
    assert (item["b"], str(item["c"]), item["d"]) == (value, "2026-11-21", 31)


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("a: [", "line 1: not YAML"),
        ("- 1", "line 1: expected keys and values"),
        ("? [a]\n: 1", "line 1: not YAML: found unhashable key"),
        ("a: !!python/name:os.system x", "line 1: not YAML"),
    ],
)
def test_what_is_no_mapping_cannot_be_read(text: str, says: str, tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=says):
        read(text, tmp_path)
