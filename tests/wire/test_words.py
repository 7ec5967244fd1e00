"""Every code that an error may carry to a browser has words there, in each language."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from pathlib import Path
from typing import get_args

import pytest

from server.features.chat.answers import Cut

ROOT = Path(__file__).parents[2]
SPEAKERS = (
    *("app", "clients", "core", "features", "gateway"),
    *("ledger", "store", "web", "wire", "worker"),
)
"""Packages whose errors can reach a browser: the others speak with our own processes only."""
WORDS = ROOT / "webui/src/i18n"
_BLOCK = re.compile(r"^  error: \{\n(.*?)^  \},\n", re.DOTALL | re.MULTILINE)
_KEY = re.compile(r"^    (\w+): ", re.MULTILINE)


def test_the_search_for_codes_finds_each_kind() -> None:
    found = _codes()
    assert {"worker_lost", "invalid_request_error"} <= found, "of a class"
    assert {"answer_running", "server_restarted", "interrupted"} <= found, "given to a call"
    assert "invalid_http" in found, "in bytes"
    assert "abandoned" in found, "why an answer was cut"


@pytest.mark.parametrize("language", ["en", "zh"])
def test_every_code_has_words(language: str) -> None:
    block = _BLOCK.search((WORDS / f"{language}.ts").read_text("utf-8"))
    assert block is not None
    assert sorted(_codes() - set(_KEY.findall(block[1]))) == []


def _codes() -> set[str]:
    """With the types, which stand in for a code where there is none."""
    found = set(get_args(Cut))
    for package in SPEAKERS:
        for path in (ROOT / "server" / package).rglob("*.py"):
            for node in ast.walk(ast.parse(path.read_text("utf-8"))):
                found.update(_named(node))
    tree = ast.parse((ROOT / "server/core/errors.py").read_text("utf-8"))
    for node in ast.walk(tree):
        if isinstance(node, ast.Assign | ast.AnnAssign) and _target(node) in ("code", "type"):
            found.update(_text(node.value))
    return found


def _named(node: ast.AST) -> Iterator[str]:
    if not isinstance(node, ast.Call):
        return
    for keyword in node.keywords:
        if keyword.arg == "code":
            yield from _text(keyword.value)
    if isinstance(node.func, ast.Name) and node.func.id == "_closing":
        yield from _text(node.args[1])


def _target(node: ast.Assign | ast.AnnAssign) -> str:
    target = node.target if isinstance(node, ast.AnnAssign) else node.targets[0]
    return target.id if isinstance(target, ast.Name) else ""


def _text(node: ast.AST | None) -> Iterator[str]:
    match node:
        case ast.Constant(value=str() as text):
            yield text
        case ast.Constant(value=bytes() as raw):
            yield raw.decode()
