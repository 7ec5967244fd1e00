"""Logs: one JSON object a line on standard error, a fixed sentence and fields."""

from __future__ import annotations

import json
import logging
import sys
from datetime import UTC, datetime
from typing import Any

MAX_VALUE_CHARS = 2048
_STANDARD = frozenset(vars(logging.makeLogRecord({}))) | {
    "message", "asctime", "taskName", "color_message",
}  # fmt: skip


class JsonLines(logging.Formatter):
    """Control characters are escaped by JSON, long values are cut."""

    def __init__(self, process: str) -> None:
        super().__init__()
        self.process = process

    def format(self, record: logging.LogRecord) -> str:
        line: dict[str, Any] = {
            "time": datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds"),
            "level": record.levelname.lower(),
            "process": self.process,
            "message": _shorten(record.getMessage()),
        }
        for name, value in vars(record).items():
            if name not in _STANDARD and not name.startswith("_"):
                line[name] = _shorten(value)
        if record.exc_info:
            line["exception"] = _shorten(self.formatException(record.exc_info), 8 * MAX_VALUE_CHARS)
        return json.dumps(line, default=str, ensure_ascii=False)


def configure_logging(process: str, level: str = "info") -> None:
    """Send every logger of this process to standard error. Call it once, in `main`."""
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(JsonLines(process))
    logging.basicConfig(level=level.upper(), handlers=[handler], force=True)
    logging.getLogger("uvicorn.access").disabled = True
    for chatty in ("httpx", "httpcore", "asyncio", "filelock", "websockets"):
        logging.getLogger(chatty).setLevel(logging.WARNING)


def _shorten(value: Any, limit: int = MAX_VALUE_CHARS) -> Any:
    if isinstance(value, int | float | bool | None):
        return value
    text = str(value)
    return text if len(text) <= limit else f"{text[:limit]}… ({len(text)} characters)"
