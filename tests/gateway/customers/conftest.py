from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from server.gateway.customers.customer import Customer
from server.gateway.customers.tallies import Tallies
from server.ledger.key import Key, Limits
from server.ledger.ledger import Ledger
from tests.fakes.clock import ManualClock

KEY_ID = "key-1"


@pytest.fixture
def clock() -> ManualClock:
    return ManualClock()


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return tmp_path / "data/ledger.db"


@pytest.fixture
def ledger(file: Path) -> Iterator[Ledger]:
    ledger = Ledger.open(file)
    yield ledger
    ledger.close()


def customer(clock: ManualClock, limits: Limits, **more: object) -> Customer:
    key = Key(KEY_ID, "alice", limits, **more)  # type: ignore[arg-type]
    return Customer(key, clock, Tallies())
