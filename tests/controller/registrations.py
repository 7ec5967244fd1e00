"""Workers for the controller's tests."""

from __future__ import annotations

from typing import Any

from server.wire.fleet import Beat, Load, Registration, WorkerRef

A = "http://127.0.0.1:30001"
B = "http://127.0.0.1:30002"


def registration(address: str = A, generation: str = "g1", **fields: Any) -> Registration:
    return Registration(
        **({"address": address, "generation": generation, "models": ("mini",)} | fields)
    )


def beat(address: str = A, generation: str = "g1", running: int = 0) -> Beat:
    return Beat(address=address, generation=generation, load=Load(running=running))


def ref(address: str = A, generation: str = "g1") -> WorkerRef:
    return WorkerRef(address=address, generation=generation)
