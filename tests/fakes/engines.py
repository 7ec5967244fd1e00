"""Engines for tests: what to load for each kind, and one that fails on command."""

from __future__ import annotations

import ast
from collections.abc import AsyncGenerator
from importlib.util import find_spec
from pathlib import Path

from server.core.settings import ModelSettings
from server.wire.fleet import Ability
from server.wire.process import Report
from server.worker import engines
from server.worker.asked import Ask, Delta, Prepared, Prompt, Text, Tokens
from server.worker.engine import Engine
from server.worker.engines import kinds
from tests.fakes.tiny_reranker import tiny_reranker

BUNDLED = {"embeddings": "bundled:all-MiniLM-L6-v2"}
LIBRARIES = {"llama_cpp": "llama_cpp", "vllm": "vllm"}
"""What an extra brings: without it, its engine is nobody's subject."""


def settings_for(kind: str, folder: Path) -> ModelSettings:
    """A small model of `kind`; `folder` has a chat model, which most engines can load."""
    path = BUNDLED.get(kind, str(folder))
    if kind == "rerank":
        path = str(tiny_reranker(folder.with_name("tiny-reranker")))
    if kind == "llama_cpp":
        path = str(gguf_of(folder))
    options = {}
    if kind == "vllm":
        path, options = str(_wide(folder)), {"enforce_eager": True}
    return ModelSettings(
        name=f"tested-{kind}", path=path, engine=kind, device="cpu", threads=1, options=options
    )


def _wide(folder: Path) -> Path:
    """One with heads of 32 numbers: vLLM's kernels for a CPU know no narrower ones."""
    from tests.fakes.tiny_llama import make_tiny_llama

    wide = folder.with_name(f"{folder.name}-wide")
    return wide if wide.is_dir() else make_tiny_llama(wide, width=128)


def gguf_of(folder: Path) -> Path:
    """The model in `folder` as one file beside the others."""
    from training.shortline_mini.to_gguf import write_gguf

    file = folder / "model.gguf"
    return file if file.is_file() else write_gguf(folder, file, "f32")


def kinds_here() -> list[str]:
    """The engines whose library is installed."""
    return [kind for kind in kinds() if kind not in LIBRARIES or find_spec(LIBRARIES[kind])]


def kinds_that(ability: Ability) -> list[str]:
    """The engines with an ability, as their files say it: importing them would cost seconds."""
    return [kind for kind in kinds_here() if ability in _abilities(kind)]


def _abilities(kind: str) -> tuple[str, ...]:
    source = Path(engines.__file__).with_name(f"{kind}.py").read_text("utf-8")
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Assign) and ast.unparse(node.targets[0]) == "abilities":
            found: tuple[str, ...] = ast.literal_eval(node.value)
            return found
    raise AssertionError(f"the engine {kind} does not say its abilities")


class Said:
    """A `say` that remembers."""

    def __init__(self) -> None:
        self.reports: list[Report] = []

    def __call__(self, report: Report) -> None:
        self.reports.append(report)


class FailingEngine(Engine):
    """Says `words`, then raises `error`."""

    abilities = ("chat", "completions")
    context_length = 1000

    def __init__(self, words: tuple[str, ...], error: Exception) -> None:
        self._words = words
        self._error = error

    async def prepare(self, prompt: Prompt) -> Prepared:
        assert not isinstance(prompt, Text | Tokens)
        return Prepared(1, "", None)

    async def generate(self, prepared: Prepared, ask: Ask) -> AsyncGenerator[Delta, None]:
        for count, word in enumerate(self._words, 1):
            yield Delta(word, count)
        raise self._error
