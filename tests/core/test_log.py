from __future__ import annotations

import json
import logging
import sys

from server.core.log import JsonLines, configure_logging


def line(message: str, **fields: object) -> str:
    record = logging.makeLogRecord({"msg": message, "levelname": "INFO", "created": 0.0, **fields})
    return JsonLines("gateway").format(record)


def test_a_line_is_one_json_object_with_its_fields() -> None:
    told = json.loads(line("worker expired", address="http://a", silent_s=5.5))
    assert told == {
        "time": "1970-01-01T00:00:00.000+00:00",
        "level": "info",
        "process": "gateway",
        "message": "worker expired",
        "address": "http://a",
        "silent_s": 5.5,
    }


def test_nobody_can_write_a_line_of_their_own() -> None:
    assert "\n" not in line("user\r\n\x1b[31mINFO all is well", name_given="\n")


def test_a_huge_value_is_cut() -> None:
    assert len(line("x", user="u" * 1_000_000)) < 3000


def test_a_traceback_stays_in_its_line() -> None:
    try:
        raise ValueError("no")
    except ValueError:
        told = line("failed", exc_info=sys.exc_info())
    assert "ValueError: no" in json.loads(told)["exception"]


def test_what_is_said_on_sockets_is_in_no_log() -> None:
    root, frames = logging.getLogger(), logging.getLogger("websockets.server")
    before, handlers = root.level, root.handlers[:]
    try:
        configure_logging("gateway", "debug")
        assert not frames.isEnabledFor(logging.DEBUG)
    finally:
        root.setLevel(before)
        root.handlers[:] = handlers
