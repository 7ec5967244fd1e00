"""Answers in the words of `server.wire.browser`."""

from __future__ import annotations

from collections.abc import Mapping

from pydantic import BaseModel
from starlette.responses import Response

NOT_KEPT = {"cache-control": "no-store"}
"""What people wrote does not belong into a browser's cache on disk."""


def reply(
    value: BaseModel, status: int = 200, headers: Mapping[str, str] | None = None
) -> Response:
    return Response(
        value.model_dump_json(),
        status,
        headers={**NOT_KEPT, **(headers or {})},
        media_type="application/json",
    )
