"""What clients note down beside the things that are kept for them."""

from __future__ import annotations

from typing import Any

import orjson
from pydantic import BaseModel, ConfigDict, ValidationError

from server.gateway.dialects.values import Json
from server.wire.openai import Metadata
from server.wire.openai_faults import bad_request
from server.wire.openai_refusals import missing


class Labels(BaseModel):
    """The body of a change of metadata, and that part of others."""

    model_config = ConfigDict(frozen=True, extra="ignore", strict=True)

    metadata: Metadata | None = None
    """`None` takes all of it away."""


def read_metadata(body: Json) -> str:
    """As it is stored. Raises `BadRequest`."""
    try:
        labels = Labels.model_validate(body)
    except ValidationError as error:
        raise bad_request(error, body) from None
    return orjson.dumps(labels.metadata or {}).decode()


def read_new_metadata(body: Json) -> str:
    """The same of a body that must have some. Raises `BadRequest`."""
    if "metadata" not in body:
        raise missing("metadata")
    return read_metadata(body)


def told_metadata(stored: str) -> dict[str, Any]:
    told: dict[str, Any] = orjson.loads(stored or "{}")
    return told
