from __future__ import annotations

import asyncio
import subprocess
import sys
import threading
from pathlib import Path

import pytest

from server.core.errors import StartError
from server.core.settings.gateway import TracingSettings
from server.gateway.sight.record import Record
from server.gateway.sight.spans import AT_ONCE, MAX_PENDING, Spans, open_spans
from tests.fakes.waiting import until
from tests.gateway.sight.seen import a_request, a_sight, serve

CODE = Path(__file__).parents[3]


class Outlet:
    def __init__(self, *troubles: str | Exception) -> None:
        self.troubles = list(troubles)
        self.batches: list[list[Record]] = []
        self.threads: set[int] = set()
        self.closed = False
        self.gate = threading.Event()
        self.gate.set()

    def send(self, records: list[Record]) -> str:
        self.gate.wait()
        self.threads.add(threading.get_ident())
        self.batches.append(records)
        trouble = self.troubles.pop(0) if self.troubles else ""
        if isinstance(trouble, Exception):
            raise trouble
        return trouble

    def close(self) -> None:
        self.closed = True
        self.gate.set()


async def test_they_go_out_in_batches_and_in_order() -> None:
    outlet = Outlet()
    spans = Spans(outlet)
    records = [a_request(a_sight()) for _ in range(AT_ONCE + 3)]
    for record in records:
        spans.add(record)
    await spans.flush()
    assert [len(batch) for batch in outlet.batches] == [AT_ONCE, 3]
    assert [record for batch in outlet.batches for record in batch] == records
    assert threading.get_ident() not in outlet.threads, "the event loop must not wait for them"


async def test_too_many_push_the_oldest_out() -> None:
    spans = Spans(Outlet())
    sight = a_sight(spans=spans)
    for _ in range(MAX_PENDING + 5):
        serve(sight)
    assert sight.numbers().spans_dropped == 5


async def test_nothing_is_left_to_be_made_of_a_record_that_another_thread_reads() -> None:
    record = serve(a_sight(spans=Spans(Outlet())))
    assert record._chosen is None


async def test_what_nobody_took_is_dropped_and_said_once(
    caplog: pytest.LogCaptureFixture,
) -> None:
    caplog.set_level("INFO")
    spans = Spans(Outlet("no route", ValueError("odd"), ""))
    for _ in range(3):
        spans.add(a_request(a_sight()))
        await spans.flush()
    assert spans.dropped == 2
    told = [(record.message, vars(record).get("reason")) for record in caplog.records]
    assert told == [
        ("traces cannot be handed over", "no route"),
        ("traces are handed over again", None),
    ]


async def test_it_runs_beside_the_requests() -> None:
    outlet = Outlet()
    spans = Spans(outlet)
    running = asyncio.create_task(spans.run(every_s=0.001))
    spans.add(a_request(a_sight()))
    await until(lambda: outlet.batches)
    running.cancel()
    with pytest.raises(asyncio.CancelledError):
        await running


async def test_leaving_sends_what_is_left_one_thread_at_a_time() -> None:
    outlet = Outlet()
    outlet.gate.clear()
    spans = Spans(outlet)
    running = asyncio.create_task(spans.run(every_s=0))
    spans.add(a_request(a_sight(), "first"))
    await until(lambda: not spans._pending)
    spans.add(a_request(a_sight(), "second"))
    running.cancel()
    leaving = asyncio.create_task(spans.aclose())
    await asyncio.sleep(0)
    outlet.gate.set()
    await leaving
    assert [record.request_id for batch in outlet.batches for record in batch] == [
        "first",
        "second",
    ]
    assert outlet.closed


async def test_leaving_does_not_wait_for_a_collector_for_ever(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("server.gateway.sight.spans.FAREWELL_S", 0.01)
    outlet = Outlet()
    outlet.gate.clear()
    spans = Spans(outlet)
    spans.add(a_request(a_sight()))
    await spans.aclose()
    assert outlet.closed


def test_without_an_endpoint_there_is_no_tracing() -> None:
    assert open_spans(TracingSettings()) is None


def test_a_missing_package_is_told_in_words(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delitem(sys.modules, "server.gateway.sight.otlp", raising=False)
    monkeypatch.setitem(sys.modules, "opentelemetry.sdk.trace", None)
    with pytest.raises(StartError, match=r"shortline\[tracing\]"):
        open_spans(TracingSettings(endpoint="http://127.0.0.1:4318"))


def test_opentelemetry_is_loaded_only_when_it_is_switched_on() -> None:
    program = (
        "import sys, server.gateway.sight.sight\n"
        "print([name for name in sys.modules if name.startswith(('opentelemetry', 'requests'))])"
    )
    shown = subprocess.run(
        [sys.executable, "-c", program], cwd=CODE, capture_output=True, text=True, check=True
    )
    assert shown.stdout.strip() == "[]"
