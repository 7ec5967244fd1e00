"""Everything that is seen of requests, behind three moves: begin, note, end; or refuse.

sight.refuse(…)             a request that never came as far as a model
record = sight.begin(…)     when a request's model is known, before limits may refuse it
record.chose(…) …           as it goes by
sight.end(record)           once, whatever happened
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Container, Iterable, Sequence

from server.core.clock import Clock
from server.gateway.sight.access import log_refusal, log_request
from server.gateway.sight.counts import Counts, ends_of
from server.gateway.sight.journal import MAX_PATH_CHARS, Journal, Refusal
from server.gateway.sight.metrics import exposition, process_numbers
from server.gateway.sight.record import Record
from server.gateway.sight.spans import Spans
from server.gateway.sight.traces import trace_of
from server.web.asgi import Header
from server.wire.sight import Explained, GatewayNumbers, WorkerNumbers


class Sight:
    def __init__(
        self,
        clock: Clock,
        *,
        gateway: str,
        models: Callable[[], Container[str]],
        workers: Callable[[], Sequence[WorkerNumbers]] = tuple,
        retries_refused: Callable[[], int] = int,
        spans: Spans | None = None,
        sample: float = 1.0,
        log_requests: bool = False,
    ) -> None:
        """`gateway`: its name, which no other one of the fleet has. `models`: those that exist
        here, aliases included. `workers`, `retries_refused`: asked at each scrape. `spans`: where
        finished requests go when tracing is on, and `sample` the share of those that bring no
        `traceparent`."""
        self._now = clock.monotonic
        self._wall = clock.wall
        self._gateway = gateway
        self._counts = Counts(models)
        self._journal = Journal(gateway)
        self._running = self._journal.running
        self._ended = self._journal.ended
        self._workers = workers
        self._retries_refused = retries_refused
        self._spans = spans
        self._sample = sample if spans is not None else None
        self._log_requests = log_requests

    def begin(
        self,
        request_id: str,
        path: str,
        model: str,
        *,
        stream: bool,
        lane: str = "normal",
        key_id: str = "",
        headers: Iterable[Header] = (),
    ) -> Record:
        """`model`: as the client named it; `headers`: of its request, for the trace."""
        series = self._counts.of(model, lane)
        trace = trace_of(headers, self._sample)
        record = Record(
            request_id, path, model, stream, lane, key_id, series, trace, self._now, self._wall()
        )
        self._running.add(record)
        return record

    def end(self, record: Record) -> None:
        """Count it and keep it for a while. A second time it does nothing; a record that nobody
        said the end of counts as cancelled."""
        try:
            self._running.remove(record)
        except KeyError:
            return
        if record.ended_at is None:
            record.ended_at = self._now()
        record.series.count(record, record.ended_at)
        self._ended.append(record)
        if record.trace is not None and self._spans is not None and record.trace.sampled:
            record.write_out()
            self._spans.add(record)
        if self._log_requests:
            log_request(record)

    def refuse(
        self,
        request_id: str,
        method: str,
        path: str,
        status: int,
        code: str,
        *,
        key_id: str = "",
        field: str = "",
    ) -> None:
        """A request ended before it had a model: bad JSON, no key, no such path."""
        self._counts.refuse(status, code)
        refusal = Refusal(
            request_id,
            method,
            path[:MAX_PATH_CHARS],
            status,
            code,
            key_id,
            field,
            self._now(),
            self._wall(),
        )
        self._journal.refused.append(refusal)
        if self._log_requests:
            log_refusal(refusal)

    def turn_away(self, status: int, code: str) -> None:
        """Somebody did not even come as far as a request: that was no HTTP, or there is no room.
        `status` 0: not even told so."""
        self._counts.refuse(status, code)

    def explain(self, request_id: str) -> Explained | None:
        return self._journal.explain(request_id)

    def numbers(self) -> GatewayNumbers:
        """This process's own, now."""
        return GatewayNumbers(
            gateway=self._gateway,
            series=self._counts.numbers(self._running),
            refused=ends_of(self._counts.refused),
            retries_refused=self._retries_refused(),
            spans_dropped=self._spans.dropped if self._spans is not None else 0,
            workers=tuple(self._workers()),
            process=process_numbers(),
        )

    async def metrics(self, others: Sequence[GatewayNumbers] = ()) -> bytes:
        """The body of `GET /metrics`; `others`: of the fleet's other gateways."""
        return await asyncio.to_thread(exposition, (self.numbers(), *others))
