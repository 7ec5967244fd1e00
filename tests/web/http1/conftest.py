"""On sockets, both event loops are tried: uvloop is what our processes run on."""

from __future__ import annotations

from typing import Any

import pytest


@pytest.fixture
def anyio_backend(request: pytest.FixtureRequest) -> Any:
    return getattr(request, "param", "asyncio")


on_both_loops = pytest.mark.parametrize(
    "anyio_backend",
    [
        pytest.param(("asyncio", {"use_uvloop": False}), id="asyncio"),
        pytest.param(("asyncio", {"use_uvloop": True}), id="uvloop"),
    ],
    indirect=True,
)
