from __future__ import annotations

import os
from typing import Any

import psutil
import pytest

from server.core.memory.need import Need
from server.core.memory.room import Room
from server.core.settings import ModelSettings
from server.launcher.room import machine
from server.launcher.room.reckoner import Claim, Held, Reckoner

GIB = 2**30
RAM = Claim(Need(2 * GIB), "cpu")
GPU_0, GPU_1 = (Claim(Need(2 * GIB), "cuda", frozenset({gpu})) for gpu in (0, 1))
GPUS = [Room(8 * GIB, 24 * GIB), Room(20 * GIB, 24 * GIB)]


@pytest.fixture(autouse=True)
def ram(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(machine, "ram", lambda: Room(10 * GIB, 16 * GIB))


def settings(**more: Any) -> ModelSettings:
    return ModelSettings(**({"name": "m", "engine": "echo", "device": "cpu"} | more))


def test_what_is_granted_and_not_taken_yet_is_not_free() -> None:
    room = Reckoner({}).room(settings(), RAM, [Held(RAM, None, ready=False)])
    assert room == Room(8 * GIB, 16 * GIB)


def test_what_is_taken_already_is_not_counted_twice() -> None:
    resident = psutil.Process().memory_info().rss
    room = Reckoner({}).room(settings(), RAM, [Held(RAM, os.getpid(), ready=True)])
    assert room.free == pytest.approx(8 * GIB + resident, abs=64 * 2**20)


def test_a_budget_is_shared_by_all() -> None:
    reckoner = Reckoner({}, budget=5 * GIB)
    assert reckoner.room(settings(), RAM, []) == Room(5 * GIB, 5 * GIB)
    assert reckoner.room(settings(), RAM, [Held(RAM, os.getpid(), ready=True)]).free == 3 * GIB


def test_gpus_are_counted_apart() -> None:
    reckoner = Reckoner({}, budget=GIB, gpus=lambda: GPUS)
    model = settings(device="cuda", gpus=(0,))
    held = [Held(RAM, None, ready=False), Held(GPU_1, None, ready=False)]
    assert reckoner.room(model, GPU_0, held) == GPUS[0]
    assert reckoner.room(model, GPU_0, [Held(GPU_0, None, ready=False)]).free == 6 * GIB
    assert reckoner.room(model, GPU_0, [Held(GPU_0, None, ready=True)]).free == 8 * GIB


def test_a_claim_says_where(monkeypatch: pytest.MonkeyPatch) -> None:
    reckoner = Reckoner({}, gpus=lambda: GPUS)
    assert reckoner.claim(settings(memory="2GiB")) == RAM
    assert reckoner.claim(settings(memory="2GiB", device="cuda", gpus=(1,))) == GPU_1
    assert reckoner.claim(settings()) is None
