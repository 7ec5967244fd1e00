"""The only home of OpenTelemetry: records become spans here, and go out by OTLP over HTTP."""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping
from urllib.parse import urlsplit

import requests
from opentelemetry.context import Context
from opentelemetry.exporter.otlp.proto.http import trace_exporter
from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import ReadableSpan, SpanProcessor, TracerProvider
from opentelemetry.sdk.trace.export import SpanExporter, SpanExportResult
from opentelemetry.sdk.trace.id_generator import IdGenerator
from opentelemetry.sdk.trace.sampling import ALWAYS_ON
from opentelemetry.trace import (
    NonRecordingSpan,
    Span,
    SpanContext,
    SpanKind,
    Status,
    StatusCode,
    TraceFlags,
    set_span_in_context,
)
from opentelemetry.util.types import AttributeValue

from server.gateway.sight.record import Attempt, Record
from server.gateway.sight.traces import Trace, new_span_id

SEND_S = 5.0
TRACES_PATH = "/v1/traces"
SERVICE = "shortline"
OPERATIONS = {
    "/v1/chat/completions": "chat",
    "/v1/completions": "text_completion",
    "/v1/embeddings": "embeddings",
    "/v1/rerank": "rerank",
    "/v1/messages": "chat",
    "/v1/responses": "chat",
}
Attributes = dict[str, AttributeValue]


def open_outlet(endpoint: str, headers: Mapping[str, str]) -> OTLPOutlet:
    """`endpoint`: of the collector; one without a path gets OTLP's own."""
    if urlsplit(endpoint).path in ("", "/"):
        endpoint = endpoint.rstrip("/") + TRACES_PATH
    session = requests.Session()
    session.trust_env = False  # no proxy of the environment gets to see our traces
    exporter = OTLPSpanExporter(
        endpoint=endpoint, headers=dict(headers), timeout=SEND_S, session=session
    )
    heard = _Heard()
    logger = logging.getLogger(trace_exporter.__name__)
    logger.handlers = [heard]  # it would say every second that a collector is not there
    logger.propagate = False
    return OTLPOutlet(exporter, lambda: heard.last)


class OTLPOutlet:
    """Used by one thread at a time."""

    def __init__(self, exporter: SpanExporter, reason: Callable[[], str] = str) -> None:
        """`reason`: why the last export failed, as far as is known."""
        self._exporter = exporter
        self._reason = reason
        self._ids = _GivenIds()
        self._made = _Kept()
        provider = TracerProvider(
            sampler=ALWAYS_ON,
            resource=Resource.create({"service.name": SERVICE}),
            shutdown_on_exit=False,
            id_generator=self._ids,
        )
        provider.add_span_processor(self._made)
        self._tracer = provider.get_tracer(SERVICE)

    def send(self, records: list[Record]) -> str:
        for record in records:
            if record.trace is not None:
                self._make(record, record.trace)
        spans, self._made.spans = self._made.spans, []
        if self._exporter.export(spans) == SpanExportResult.SUCCESS:
            return ""
        return self._reason() or "the exporter does not say why"

    def close(self) -> None:
        self._exporter.shutdown()

    def _make(self, record: Record, trace: Trace) -> None:
        ended_at = record.began if record.ended_at is None else record.ended_at
        self._ids.trace_id = int(trace.trace_id, 16)
        self._ids.span_id = trace.span_id
        span = self._tracer.start_span(
            f"POST {record.path}",
            context=_remote(trace) if trace.parent_id else Context(),
            kind=SpanKind.SERVER,
            attributes=_request_attributes(record),
            start_time=_ns(record, record.began),
        )
        if record.outcome == "error_event" or record.status >= 500:
            span.set_status(Status(StatusCode.ERROR, record.code))
        below = set_span_in_context(span)
        ends = [attempt.at for attempt in record.attempts[1:]] + [ended_at]
        for attempt, next_at in zip(record.attempts, ends, strict=False):  # of none: one end
            self._make_attempt(record, attempt, next_at, below)
        span.end(_ns(record, ended_at))

    def _make_attempt(
        self, record: Record, attempt: Attempt, next_at: float, below: Context
    ) -> None:
        self._ids.span_id = attempt.span_id or new_span_id()
        span = self._tracer.start_span(
            f"{OPERATIONS.get(record.path, record.path)} {attempt.model}",
            context=below,
            kind=SpanKind.CLIENT,
            attributes=_attempt_attributes(record, attempt),
            start_time=_ns(record, attempt.at),
        )
        if attempt.failed_at is not None:
            span.set_status(Status(StatusCode.ERROR, attempt.cause))
        span.end(_ns(record, next_at if attempt.failed_at is None else attempt.failed_at))


def _request_attributes(record: Record) -> Attributes:
    found: Attributes = {
        "http.request.method": "POST",
        "http.route": record.path,
        "url.path": record.path,
        "shortline.request_id": record.request_id,
        "shortline.lane": record.lane,
        "shortline.outcome": record.outcome,
    }
    if record.status:
        found["http.response.status_code"] = record.status
    if record.outcome in ("http_error", "error_event"):
        found["error.type"] = record.code or str(record.status)
    if record.key_id:
        found["shortline.key"] = record.key_id
    return found


def _attempt_attributes(record: Record, attempt: Attempt) -> Attributes:
    host, port = _host_and_port(attempt.address)
    found: Attributes = {
        "gen_ai.operation.name": OPERATIONS.get(record.path, record.path),
        "gen_ai.provider.name": SERVICE,
        "gen_ai.request.model": record.model,
        "gen_ai.request.stream": record.stream,
        "server.address": host,
    }
    if port is not None:
        found["server.port"] = port
    if attempt.failed_at is not None:
        return found | {"error.type": attempt.trouble}
    if attempt is not record.attempts[-1]:
        return found
    if record.outcome == "error_event":
        found["error.type"] = record.code
    if record.first_byte_at is not None:
        found["gen_ai.response.model"] = attempt.model
        if record.stream and record.first_byte_at >= attempt.at:  # else it took over in mid-answer
            found["gen_ai.response.time_to_first_chunk"] = record.first_byte_at - attempt.at
    if record.usage is not None:
        found["gen_ai.usage.input_tokens"] = record.usage.prompt_tokens
        found["gen_ai.usage.output_tokens"] = record.usage.completion_tokens
        found["shortline.usage.origin"] = record.usage.origin
    return found


def _host_and_port(address: str) -> tuple[str, int | None]:
    try:
        parts = urlsplit(address)
        return parts.hostname or address, parts.port
    except ValueError:
        return address, None


def _remote(trace: Trace) -> Context:
    """Where the client's own span stands."""
    parent = SpanContext(
        int(trace.trace_id, 16),
        trace.parent_id,
        is_remote=True,
        trace_flags=TraceFlags(trace.flags),
    )
    return set_span_in_context(NonRecordingSpan(parent), Context())


def _ns(record: Record, at: float) -> int:
    """A time of the record as nanoseconds since 1970, exact to the microsecond."""
    return 1000 * (round(record.wall * 1e6) + round((at - record.began) * 1e6))


class _GivenIds(IdGenerator):
    """The ids that the workers were told already."""

    def __init__(self) -> None:
        self.trace_id = 0
        self.span_id = 0

    def generate_span_id(self) -> int:
        return self.span_id

    def generate_trace_id(self) -> int:
        return self.trace_id


class _Kept(SpanProcessor):
    def __init__(self) -> None:
        self.spans: list[ReadableSpan] = []

    def on_start(self, span: Span, parent_context: Context | None = None) -> None:
        return

    def on_end(self, span: ReadableSpan) -> None:
        self.spans.append(span)


class _Heard(logging.Handler):
    """What a logger said last."""

    last = ""

    def emit(self, record: logging.LogRecord) -> None:
        self.last = record.getMessage()
