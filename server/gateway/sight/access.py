"""One line in the log for each request, where `openai_api.log_requests` asks for it."""

from __future__ import annotations

import logging
from typing import Any

from server.gateway.sight.journal import Refusal
from server.gateway.sight.record import Record

log = logging.getLogger(__name__)


def log_request(record: Record) -> None:
    log.info("request", extra=fields_of(record))


def log_refusal(refusal: Refusal) -> None:
    fields = {
        "request_id": refusal.request_id,
        "method": refusal.method,
        "path": refusal.path,
        "outcome": "http_error",
        "status": refusal.status,
        "code": refusal.code,
    }
    if refusal.field:
        fields["field"] = refusal.field
    if refusal.key_id:
        fields["key"] = refusal.key_id
    log.info("request", extra=fields)


def fields_of(record: Record) -> dict[str, Any]:
    """What happened, and nothing of what was said."""
    fields: dict[str, Any] = {
        "request_id": record.request_id,
        "path": record.path,
        "model": record.model,
        "lane": record.lane,
        "stream": record.stream,
        "outcome": record.outcome,
        "status": record.status,
        "tries": record.tries,
        "whole_s": _since(record, record.ended_at),
        "first_byte_s": _since(record, record.first_byte_at),
    }
    if record.key_id:
        fields["key"] = record.key_id
    if record.code:
        fields["code"] = record.code
    if record.attempts:
        last = record.attempts[-1]
        fields |= {"address": last.address, "served_model": last.model}
    used = record.usage
    if used is not None:
        fields |= {
            "prompt_tokens": used.prompt_tokens,
            "completion_tokens": used.completion_tokens,
            "tokens": used.origin,
        }
    if record.trace is not None:
        fields["trace_id"] = record.trace.trace_id
    return fields


def _since(record: Record, at: float | None) -> float | None:
    return None if at is None else round(at - record.began, 6)
