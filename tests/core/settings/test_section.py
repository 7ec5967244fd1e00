from __future__ import annotations

import pytest

from server.core.settings import is_loopback


@pytest.mark.parametrize("host", ["localhost", "127.0.0.1", "127.9.9.9", "::1"])
def test_this_machine_is_loopback(host: str) -> None:
    assert is_loopback(host)


@pytest.mark.parametrize(
    "host", ["127.0.0.1.example.org", "127.evil", "localhost.evil", "0.0.0.0", "10.0.0.1", "::", ""]
)
def test_everything_else_is_not(host: str) -> None:
    assert not is_loopback(host)
