"""What HTTP's grammar leaves to the server: the target, `Host`, and what a head asks of us."""

from __future__ import annotations

import re
from functools import lru_cache
from typing import NamedTuple
from urllib.parse import unquote

from server.web.asgi import Header
from server.web.http1.refusals import (
    BAD_HOST,
    BAD_TARGET,
    MALFORMED,
    UNKNOWN_CODING,
    WRONG_VERSION,
    Refusal,
)

_LOOKED_AT = frozenset({b"host", b"expect", b"transfer-encoding", b"upgrade"})
_MAX_HOST = 253 + len(":65535")
_REMEMBERED_TARGET = 128
"""Bytes: an API has few paths, and they are asked for again and again."""
Target = tuple[str, bytes, bytes]

_HOST = re.compile(
    rb"(?:[A-Za-z0-9._~!$&'()*+,;=%-]+|\[[0-9A-Fa-f:.]+\])(?::[0-9]{0,5})?"
)  # RFC 9110, 7.2


class Asked(NamedTuple):
    """What a head asks of the server itself."""

    expects: bool = False
    """The client sends its body only when it is told to."""
    chunked: bool = False
    upgrade: bytes = b""
    """The protocol that its client would rather speak; empty: none."""


PLAIN = Asked()
"""It asks for nothing."""


def look(headers: list[Header], version: str) -> Asked:
    """Raises `Refusal` for a head that no application may see."""
    found = [header for header in headers if header[0] in _LOOKED_AT]
    if len(found) == 1 and found[0][0] == b"host" and is_host(found[0][1]) and version == "1.1":
        return PLAIN  # as nearly always
    if version not in ("1.1", "1.0"):
        raise Refusal(WRONG_VERSION)
    _check_host([value for name, value in found if name == b"host"], version)
    others = {name: value.lower() for name, value in found}
    coding = others.get(b"transfer-encoding")
    if coding is not None and version == "1.0":
        raise Refusal(MALFORMED)  # RFC 9112, 6.1: its framing cannot be trusted
    if coding not in (None, b"chunked"):
        raise Refusal(UNKNOWN_CODING)
    return Asked(
        expects=others.get(b"expect") == b"100-continue" and version == "1.1",
        chunked=coding is not None,
        upgrade=others.get(b"upgrade", b""),
    )


def _check_host(hosts: list[bytes], version: str) -> None:
    if not all(map(is_host, hosts)) or len(hosts) > 1 or (not hosts and version == "1.1"):
        raise Refusal(BAD_HOST)


def is_host(value: bytes) -> bool:
    """Whether a `Host` header names a host, with or without a port, and nothing else."""
    return len(value) <= _MAX_HOST and _is_host(value)


@lru_cache(maxsize=256)
def _is_host(value: bytes) -> bool:
    return _HOST.fullmatch(value) is not None


def split_target(target: bytes, method: str) -> Target:
    """The decoded path, the path as it came, the query.

    Raises `Refusal` for what is no path: a whole URL is for proxies, and two programs that read
    one differently would not agree on who may see what (CVE-2026-48710).
    """
    if len(target) <= _REMEMBERED_TARGET:
        return _split_again(target, method)
    return _split(target, method)


def _split(target: bytes, method: str) -> Target:
    if target[:1] != b"/" and not (target == b"*" and method == "OPTIONS"):
        raise Refusal(BAD_TARGET)
    if b"#" in target:
        raise Refusal(BAD_TARGET)
    raw_path, _, query = target.partition(b"?")
    path = raw_path.decode("ascii")
    return (unquote(path) if "%" in path else path), raw_path, query


_split_again = lru_cache(maxsize=256)(_split)


def without_upgrade(method: str, target: bytes, version: str, headers: list[Header]) -> bytes:
    """The same head, from a client that does not wish for another protocol."""
    lines = [b"%b %b HTTP/%b" % (method.encode(), target, version.encode())]
    lines += [name + b": " + value for name, value in headers if name != b"upgrade"]
    return b"\r\n".join(lines) + b"\r\n\r\n"
