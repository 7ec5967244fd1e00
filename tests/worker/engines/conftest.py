"""A real tokenizer and its grammars."""

from __future__ import annotations

from typing import Any

import pytest
from transformers import AutoTokenizer

from server.core.memory.folders import BUNDLED_FOLDER
from server.worker.engines import _grammar, _grammar_trial
from server.worker.engines._grammar import Grammars
from tests.fakes.engines import LIBRARIES, kinds_here
from tests.worker.engines.grammars import ENDS, VOCABULARY

collect_ignore = [f"test_{kind}.py" for kind in LIBRARIES if kind not in kinds_here()]


@pytest.fixture(scope="module")
def tokenizer() -> Any:
    return AutoTokenizer.from_pretrained(BUNDLED_FOLDER / "shortline-mini")


@pytest.fixture(scope="module")
def grammars(tokenizer: Any) -> Grammars:
    return Grammars(tokenizer, VOCABULARY, ENDS)


@pytest.fixture
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    """Trials in this process."""

    async def tried(trial: _grammar_trial.Trial) -> str:
        return _grammar_trial.fault(trial)

    monkeypatch.setattr(_grammar, "_try", tried)
