from __future__ import annotations

import os
import socket

from server.launcher.setup.ports import Holder, holder, why_unusable


def test_a_port_in_use_names_the_program_and_its_pid() -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        owner = holder(port)
        assert owner is not None
        assert owner.pid == os.getpid()
        assert why_unusable("127.0.0.1", port) == f"in use by {owner}"
    assert why_unusable("127.0.0.1", port) is None
    assert holder(port) is None


def test_a_host_that_is_not_ours_is_told_apart_from_a_port_in_use() -> None:
    reason = why_unusable("192.0.2.1", 20000)
    assert reason is not None
    assert "in use" not in reason


def test_a_holder_reads_as_program_and_pid() -> None:
    assert str(Holder(7, "nginx")) == "nginx, pid 7"
