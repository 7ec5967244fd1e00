"""Whether a port is free, and who has it if not. Nobody else's process is ever touched."""

from __future__ import annotations

import errno
import socket
from dataclasses import dataclass

import psutil


@dataclass(frozen=True, slots=True)
class Holder:
    pid: int
    program: str

    def __str__(self) -> str:
        return f"{self.program}, pid {self.pid}"


def why_unusable(host: str, port: int) -> str | None:
    """Why nothing of ours could listen there, for people; None if it could."""
    try:
        _try_to_listen(host, port)
    except OSError as error:
        if error.errno == errno.EADDRINUSE:
            owner = holder(port)
            return f"in use by {owner}" if owner else "in use by another program"
        if error.errno == errno.EACCES:
            return "not allowed for this user"
        return error.strerror or str(error)
    return None


def holder(port: int) -> Holder | None:
    """Who listens on `port`; None when nobody does or the system does not say."""
    try:
        connections = psutil.net_connections("tcp")
    except (psutil.Error, OSError):
        return None
    for connection in connections:
        listens = connection.status == psutil.CONN_LISTEN
        if listens and connection.pid is not None and connection.laddr[1:2] == (port,):
            return Holder(connection.pid, _program(connection.pid))
    return None


def _program(pid: int) -> str:
    try:
        return psutil.Process(pid).name()
    except psutil.Error:
        return "a program"


def _try_to_listen(host: str, port: int) -> None:
    """As a child would (`server/web/process.py`). Raises `OSError`."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    with socket.socket(family, socket.SOCK_STREAM) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        probe.bind((host, port))
        probe.listen(1)
