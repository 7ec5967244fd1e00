from __future__ import annotations

import pytest

from server.controller.addresses import check_address, is_local, is_same_host
from server.core.errors import BadRequest


@pytest.mark.parametrize(
    "address",
    [
        "http://127.0.0.1:21002",
        "http://10.1.2.3:1",
        "http://localhost:65535",
        "http://[::1]:8000",
        "http://[fd00::12]:8000",
    ],
)
def test_an_address_is_a_host_and_a_port(address: str) -> None:
    assert check_address(address) == address


@pytest.mark.parametrize(
    "address",
    [
        "",
        "127.0.0.1:21002",
        "http://127.0.0.1",
        "http://127.0.0.1:",
        "http://127.0.0.1:0",
        "http://127.0.0.1:00080",
        "http://127.0.0.1:65536",
        "http://127.0.0.1:80/",
        "http://127.0.0.1:80/path",
        "http://127.0.0.1:80?x=1",
        "http://127.0.0.1:80#x",
        "http://user@127.0.0.1:80",
        "http://user:secret@127.0.0.1:80",
        "https://127.0.0.1:80",
        "file:///etc/passwd",
        "gopher://127.0.0.1:80",
        "HTTP://127.0.0.1:80",
        "http://example.org:80",
        "http://127.1:80",
        "http://2130706433:80",
        "http://0x7f.0.0.1:80",
        "http://127.0.0.01:80",
        "http://0.0.0.0:80",
        "http://[::]:80",
        "http://[0:0:0:0:0:0:0:1]:80",
        "http://[fe80::1%eth0]:80",
        "http://224.0.0.1:80",
        "http://127.0.0.1:80\n",
        " http://127.0.0.1:80",
        "http://127.0.0.1:8\u0660",
        "http://\uff11\uff12\uff17.0.0.1:80",
    ],
)
def test_anything_else_is_refused(address: str) -> None:
    with pytest.raises(BadRequest):
        check_address(address)


def test_loopback_is_local_and_nothing_else_is() -> None:
    assert is_local("http://localhost:1")
    assert is_local("http://127.9.9.9:1")
    assert is_local("http://[::1]:1")
    assert not is_local("http://10.0.0.1:1")


@pytest.mark.parametrize(
    ("address", "peer", "same"),
    [
        ("http://localhost:1", "127.0.0.1", True),
        ("http://127.0.0.1:1", "::1", True),
        ("http://127.0.0.1:1", "10.0.0.1", False),
        ("http://10.0.0.1:1", "10.0.0.1", True),
        ("http://10.0.0.1:1", "10.0.0.2", False),
        ("http://10.0.0.1:1", "", False),
        ("http://localhost:1", "", False),
    ],
)
def test_a_call_comes_from_the_host_it_speaks_for(address: str, peer: str, same: bool) -> None:
    assert is_same_host(address, peer) is same
