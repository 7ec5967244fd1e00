"""What a collector gets to see, on the real wire and from the library's own fake."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping

import pytest
from opentelemetry.sdk.trace import ReadableSpan
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from opentelemetry.semconv._incubating.attributes import gen_ai_attributes, server_attributes
from opentelemetry.trace import SpanKind, StatusCode
from pydantic import SecretStr

from server.core.settings.gateway import TracingSettings
from server.gateway.sight.otlp import OTLPOutlet
from server.gateway.sight.record import Record
from server.gateway.sight.sight import Sight
from server.gateway.sight.spans import Spans, open_spans
from server.gateway.sight.usage import Usage
from tests.fakes.clock import ManualClock
from tests.fakes.otlp import collector
from tests.gateway.sight.seen import CHAT, A, B, a_request, a_sight, serve
from tests.gateway.sight.test_traces import PARENT, TRACE_ID


class Traced:
    """A sight whose spans are kept."""

    def __init__(self, **more: object) -> None:
        self.clock = ManualClock(at=1000.0)
        self.exporter = InMemorySpanExporter()
        self.spans = Spans(OTLPOutlet(self.exporter))
        self.sight: Sight = a_sight(self.clock, spans=self.spans, **more)

    def made(self) -> list[ReadableSpan]:
        asyncio.run(self.spans.flush())
        return list(self.exporter.get_finished_spans())


def attributes(span: ReadableSpan) -> Mapping[str, object]:
    return span.attributes or {}


def ids(span: ReadableSpan) -> tuple[int, int, int]:
    """Trace, span, parent."""
    assert span.context is not None
    return span.context.trace_id, span.context.span_id, span.parent.span_id if span.parent else 0


def retried(traced: Traced) -> Record:
    record = a_request(traced.sight, stream=True, headers=[(b"traceparent", PARENT)], key_id="k")
    record.chose(A)
    record.trace_headers()
    traced.clock.advance(0.5)
    record.failed(A, "refused", "connection refused")
    record.chose(B, model="n")
    record.trace_headers()
    traced.clock.advance(0.25)
    record.first_byte()
    traced.clock.advance(1)
    record.ended("complete", 200, usage=Usage(5, 6, "reported"))
    traced.sight.end(record)
    return record


def test_a_request_is_a_span_below_its_clients_and_each_attempt_one_below_it() -> None:
    traced = Traced()
    record = retried(traced)
    assert record.trace is not None
    first, second, whole = traced.made()
    trace_id = int(TRACE_ID, 16)
    assert ids(whole) == (trace_id, record.trace.span_id, 0xB7AD6B7169203331)
    for span, attempt in zip((first, second), record.attempts, strict=True):
        assert ids(span) == (trace_id, attempt.span_id, record.trace.span_id)
    assert [span.kind for span in (first, second, whole)] == [
        SpanKind.CLIENT,
        SpanKind.CLIENT,
        SpanKind.SERVER,
    ]


def test_times_are_those_of_the_wall_clock() -> None:
    traced = Traced()
    retried(traced)
    began = 1_700_001_000 * 10**9
    lasted = [
        (span.start_time and span.start_time - began, span.end_time and span.end_time - began)
        for span in traced.made()
    ]
    assert lasted == [(0, 500_000_000), (500_000_000, 1_750_000_000), (0, 1_750_000_000)]


def test_attempts_speak_the_genai_conventions() -> None:
    traced = Traced()
    retried(traced)
    first, second, _ = traced.made()
    gen_ai, server = gen_ai_attributes, server_attributes
    assert second.name == "chat n"
    assert attributes(second) == {
        gen_ai.GEN_AI_OPERATION_NAME: "chat",
        gen_ai.GEN_AI_PROVIDER_NAME: "shortline",
        gen_ai.GEN_AI_REQUEST_MODEL: "m",
        gen_ai.GEN_AI_REQUEST_STREAM: True,
        gen_ai.GEN_AI_RESPONSE_MODEL: "n",
        gen_ai.GEN_AI_RESPONSE_TIME_TO_FIRST_CHUNK: 0.25,
        gen_ai.GEN_AI_USAGE_INPUT_TOKENS: 5,
        gen_ai.GEN_AI_USAGE_OUTPUT_TOKENS: 6,
        server.SERVER_ADDRESS: "127.0.0.1",
        server.SERVER_PORT: 1002,
        "shortline.usage.origin": "reported",
    }
    assert attributes(first)["error.type"] == "refused"
    assert gen_ai.GEN_AI_USAGE_INPUT_TOKENS not in attributes(first)
    assert first.status.status_code == StatusCode.ERROR


def test_a_request_says_how_it_went() -> None:
    traced = Traced()
    retried(traced)
    whole = traced.made()[-1]
    assert whole.name == f"POST {CHAT}"
    assert attributes(whole) == {
        "http.request.method": "POST",
        "http.route": CHAT,
        "url.path": CHAT,
        "http.response.status_code": 200,
        "shortline.request_id": "req-1",
        "shortline.lane": "normal",
        "shortline.outcome": "complete",
        "shortline.key": "k",
    }
    assert whole.status.status_code == StatusCode.UNSET


@pytest.mark.parametrize(
    ("outcome", "status", "code", "error_type", "is_error"),
    [
        ("http_error", 503, "worker_lost", "worker_lost", True),
        ("error_event", 200, "worker_lost", "worker_lost", True),
        ("http_error", 400, "", "400", False),
        ("cancelled", 0, "", None, False),
    ],
)
def test_what_went_wrong_is_said_and_whose_fault_it_was(
    outcome: str, status: int, code: str, error_type: str | None, is_error: bool
) -> None:
    traced = Traced()
    record = a_request(traced.sight)
    record.ended(outcome, status, code)  # type: ignore[arg-type]
    traced.sight.end(record)
    (span,) = traced.made()
    assert attributes(span).get("error.type") == error_type
    assert (span.status.status_code == StatusCode.ERROR) == is_error


def test_an_unsampled_request_makes_no_span() -> None:
    traced = Traced(sample=0.0)
    serve(traced.sight)
    serve(traced.sight, headers=[(b"traceparent", PARENT[:-1] + b"0")])
    assert traced.made() == []
    serve(traced.sight, headers=[(b"traceparent", PARENT)])
    assert len(traced.made()) == 2


def test_a_trace_that_begins_here_has_no_parent() -> None:
    traced = Traced()
    serve(traced.sight)
    attempt, whole = traced.made()
    assert ids(whole)[2] == 0
    assert ids(attempt)[2] == ids(whole)[1]
    assert ids(attempt)[1] not in (0, ids(whole)[1]), "nobody was told an id, so it is a new one"


@pytest.mark.parametrize("address", ["", "x", "http://[::1]:80", "http://a:b"])
def test_odd_addresses_and_states_break_nothing(address: str) -> None:
    traced = Traced()
    headers = [(b"traceparent", PARENT), (b"tracestate", b"=,;\x00 a==1,,")]
    record = a_request(traced.sight, headers=headers, path="/odd", model="\x00")
    record.chose(address)
    record.ended("complete", 200)
    traced.sight.end(record)
    assert len(traced.made()) == 2


def test_a_real_collector_gets_them() -> None:
    with collector() as fake:
        settings = TracingSettings(endpoint=fake.url, headers={"x-key": SecretStr("sesame")})
        spans = open_spans(settings)
        assert spans is not None
        serve(a_sight(spans=spans), headers=[(b"traceparent", PARENT)])
        asyncio.run(spans.aclose())
    assert fake.paths == ["/v1/traces"]
    assert fake.heads[0]["x-key"] == "sesame"
    assert [span.name for span in fake.spans] == ["chat m", f"POST {CHAT}"]
    assert {span.trace_id.hex() for span in fake.spans} == {TRACE_ID}
    assert fake.spans[0].parent_span_id == fake.spans[1].span_id


def test_a_collector_that_refuses_costs_one_line_and_no_request(
    caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    for variable in ("HTTP_PROXY", "ALL_PROXY", "http_proxy"):
        monkeypatch.setenv(variable, "http://127.0.0.1:9")  # must not be asked
    with collector() as fake:
        fake.status = 400
        spans = open_spans(TracingSettings(endpoint=f"{fake.url}/custom"))
        assert spans is not None
        sight = a_sight(spans=spans)
        for _ in range(3):
            serve(sight)
            asyncio.run(spans.flush())
        assert spans.dropped == 3
        (line,) = caplog.records
        assert "400" in vars(line)["reason"]
        fake.status = 200
        caplog.set_level("INFO")
        serve(sight)
        asyncio.run(spans.aclose())
    assert fake.paths == ["/custom"]
    assert caplog.records[-1].message == "traces are handed over again"
