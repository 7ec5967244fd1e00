from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from server.ledger.ledger import Ledger


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return tmp_path / "data/ledger.db"


@pytest.fixture
def ledger(file: Path) -> Iterator[Ledger]:
    ledger = Ledger.open(file)
    yield ledger
    ledger.close()
