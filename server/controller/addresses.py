"""What may stand where a worker's address is expected: `http://host:port`, host an IP address."""

from __future__ import annotations

import re
from ipaddress import IPv4Address, IPv6Address, ip_address

from server.core.errors import BadRequest

_ADDRESS = re.compile(
    r"http://(?P<host>[0-9.]{7,15}|localhost|\[[0-9a-f:.]{2,45}\]):(?P<port>\d{1,5})"
)


def check_address(address: str) -> str:
    """`address` itself, in the one spelling it may have. Raises `BadRequest`.

    One spelling, because an address is also a worker's name: two would list it twice.
    """
    match = _ADDRESS.fullmatch(address)
    if match is None or not _is_port(match["port"]) or not _is_host(match["host"]):
        raise BadRequest(
            "A worker's address is http://HOST:PORT, where HOST is an IP address or localhost.",
            param="address",
            code="bad_address",
        )
    return address


def authority_of(address: str) -> str:
    """`host:port` of a checked address."""
    return address.removeprefix("http://")


def is_local(address: str) -> bool:
    """Whether a checked address is on this machine's loopback."""
    host = authority_of(address).rpartition(":")[0]
    return host == "localhost" or ip_address(host.strip("[]")).is_loopback


def is_same_host(address: str, peer: str) -> bool:
    """Whether a call from `peer`, an IP address, came from the host of a checked address."""
    host = authority_of(address).rpartition(":")[0].strip("[]")
    if is_local(address):
        return _ip(peer) is not None and ip_address(peer).is_loopback
    return ip_address(host) == _ip(peer)


def _is_port(digits: str) -> bool:
    return str(int(digits)) == digits and 1 <= int(digits) <= 65535


def _is_host(host: str) -> bool:
    if host == "localhost":
        return True
    found = _ip(host.strip("[]"))
    if found is None or found.is_unspecified or found.is_multicast:
        return False
    return str(found) == host.strip("[]")


def _ip(text: str) -> IPv4Address | IPv6Address | None:
    try:
        return ip_address(text)
    except ValueError:
        return None
