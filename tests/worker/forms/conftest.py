"""A real tokenizer and its grammars."""

from __future__ import annotations

from typing import Any

import pytest
from transformers import AutoTokenizer

from server.core.memory.folders import BUNDLED_FOLDER
from server.worker.forms import grammar, trial
from server.worker.forms.grammar import Grammars
from tests.worker.forms.grammars import ENDS, VOCABULARY


@pytest.fixture(scope="module")
def tokenizer() -> Any:
    return AutoTokenizer.from_pretrained(BUNDLED_FOLDER / "shortline-mini")


@pytest.fixture(scope="module")
def grammars(tokenizer: Any) -> Grammars:
    return Grammars(tokenizer, VOCABULARY, ENDS)


@pytest.fixture
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    """Trials in this process."""

    async def tried(wanted: trial.Trial) -> str:
        return trial.fault(wanted)

    monkeypatch.setattr(grammar, "_try", tried)
