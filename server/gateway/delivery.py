"""One request on its way to its client: what was sent, and how it goes on when a worker dies."""

from __future__ import annotations

import asyncio
import re
from collections.abc import Awaitable, Callable, Sequence

import orjson

from server.clients.http import Answer
from server.core.errors import BadAnswer, ConnectFailed, CutOff, TransportError, WorkerLost
from server.core.limits import HEARTBEAT_S, SUSPECT_S
from server.gateway.asked import Asked
from server.gateway.breaker import Trouble
from server.gateway.customers.grant import Grant
from server.gateway.failover.delivered import Delivered, Shelf
from server.gateway.failover.diverged import Diverged
from server.gateway.failover.repeatable import repeatable
from server.gateway.failover.splice import Splice
from server.gateway.failover.told import Told
from server.gateway.fleet import Fleet
from server.gateway.journey import Journey
from server.gateway.retry_budget import RetryBudget
from server.gateway.sight.faults import PROVIDER_REFUSED
from server.gateway.sight.record import Record
from server.gateway.sight.usage import Usage, usage_of_stream, usage_of_whole
from server.web.asgi import Send
from server.web.patience import Patience
from server.web.relay import Stream, Upstream, is_stream, read_whole, send_answer

QUIET_S = SUSPECT_S - HEARTBEAT_S
"""A worker that is suspect has been silent for at least so long."""
MAX_WORKERS = 2
"""Workers that one stream may come from."""
_OBJECT = re.compile(rb"\s*\{")
NOTHING_USED = Usage(0, 0, "reported")


class Delivery(Journey):
    """`started`: the client has been sent something, so only a stream can still go on elsewhere."""

    __slots__ = (
        "_delivered", "_heard_at", "_shelf", "_told", "_workers", "limit", "send", "started",
        "usage", "wait_until",
    )  # fmt: skip

    _heard_at: float

    def __init__(
        self,
        fleet: Fleet,
        budget: RetryBudget,
        models: Sequence[str],
        asked: Asked,
        record: Record,
        grant: Grant,
        limit: Patience,
        send: Send,
        shelf: Shelf | None,
    ) -> None:
        """`shelf`: where streams that may go on elsewhere are kept; None: they may not."""
        super().__init__(fleet, budget, models, asked, record, grant)
        self.limit = limit
        self.send = send
        self.started = False
        self.usage: Usage | None = None
        self.wait_until: float | None = None
        """When it has waited long enough for a model to be loaded, if it has begun to."""
        self._shelf = shelf
        self._delivered: Delivered | None = None
        self._told: Told | None = None
        self._workers = 1

    def pass_on(self, upstream: Upstream) -> Awaitable[None]:
        """Once there is something to send, the request stays where it is, as long as it can."""
        if is_stream(upstream):
            return self._stream(upstream)
        if self.started:
            raise BadAnswer(f"no stream, but an answer with status {upstream.status}")
        return self._whole(upstream)

    async def _whole(self, upstream: Upstream) -> None:
        body = upstream.take_whole()  # most come in one piece, head and all
        if body is None:
            body = await read_whole(upstream, self.limit)
        status = upstream.status
        if 300 <= status < 400 or (status < 300 and not _OBJECT.match(body)):
            raise BadAnswer(f"a status {status} without a JSON object")
        self._settle(status, body)
        said = usage_of_whole(body, len(self.asked.body)) if status < 400 else NOTHING_USED
        self.usage = said  # known before it is sent: whoever does not wait for it has used it
        await send_answer(self.send, upstream, body, self.limit, self.grant.meters.limit_headers())
        if status < 400:
            self.record.ended("complete", status)
        else:
            self._note_refusal(status, body)
            self.record.ended("http_error", status, code_of(body))

    def _note_refusal(self, status: int, body: bytes) -> None:
        """No other worker could be asked, so the client gets what this one said."""
        if (status >= 500 or status == 429) and self.lease is not None:
            address = self.lease.worker.view.address
            trouble = None if status == 429 else trouble_in(body)
            self.record.failed(address, trouble, f"the worker answered {status}")

    async def _stream(self, upstream: Upstream) -> None:
        again = self.started
        splice = Splice(self._told, worker=self._workers) if self._told else None
        if not again and self._may_go_on_elsewhere():
            self._delivered = Delivered(self._shelf)  # type: ignore[arg-type]
        stream = Stream(
            upstream,
            self.limit,
            self._noted(splice.feed) if splice else None,
            seen=self._keep if self._delivered and not again else None,
            one_choice=self.asked.one_choice,
        )
        before = self.usage
        try:
            await stream.open()
            self._settle(upstream.status)
            if self._delivered is not None and isinstance(upstream, Answer):
                self._watch(upstream)
            await stream.pass_on(self.send, None if again else self.grant.meters.limit_headers())
        except BaseException:
            self.usage = max(before or NOTHING_USED, self._used(stream))  # at least what it got
            raise
        self.usage = self._used(stream)
        if stream.failed:
            self.record.ended("error_event", upstream.status, "upstream")
        else:
            self.record.ended("complete", upstream.status)

    def _noted(self, feed: Callable[[bytes], bytes]) -> Callable[[bytes], bytes]:
        """`feed`; the record hears when it first has something new for the client."""
        silent = True

        def noting(events: bytes) -> bytes:
            nonlocal silent
            fresh = feed(events)
            if silent and fresh:
                silent = False
                self.record.note("the stream goes on from there")
            return fresh

        return noting

    def _keep(self, events: bytes) -> None:
        self._heard_at = self.limit.now()
        if self._delivered is not None:
            self._delivered.add(events)

    def _watch(self, upstream: Answer) -> None:
        """Once its worker is suspect, a stream that has been quiet for as long goes elsewhere."""

        def leave_if_quiet() -> None:
            if self.limit.now() - self._heard_at >= QUIET_S:
                upstream.abort()

        assert self.lease is not None
        self._heard_at = self.limit.now()
        self.lease.leave_if_quiet = leave_if_quiet

    def _used(self, stream: Stream) -> Usage:
        return usage_of_stream(stream.last, stream.events, len(self.asked.body))

    def _may_go_on_elsewhere(self) -> bool:
        if self._shelf is None or self.lease is None:
            return False
        own = self.lease.worker.view.kind == "model_worker"
        return repeatable(self.asked.fields, own_worker=own)

    async def may_go_on(self, failure: TransportError | WorkerLost) -> bool:
        """Whether another worker may be asked after the last one's failure."""
        if not self.started:
            return self.may_try_again
        if isinstance(failure, ConnectFailed) and self._told is not None:
            return self.may_try_again  # it was not sent there, so this is still the first try
        if not isinstance(failure, WorkerLost) or self._workers >= MAX_WORKERS:
            return False
        if self._delivered is None or not self._delivered.is_whole or self.lease is None:
            return False
        if not self.stays_with(self.lease.model):
            return False
        self._workers += 1
        self.record.note("another worker is to go on with the stream: it is asked the same again")
        try:  # milliseconds for a long answer, in which others must not wait
            self._told = await asyncio.to_thread(self._delivered.told)
        except Diverged:
            self.record.note("what the client has cannot be compared with a second answer")
            return False
        self._delivered.drop()
        return True

    def close(self) -> None:
        """It is over, well or not: what was kept is needed no more, and what was used is told."""
        if self._delivered is not None:
            self._delivered.drop()
        record = self.record
        record.retry_refused = self.refused
        record.usage = used = self.usage
        if used is not None:
            failed = record.outcome != "complete"
            self.grant.settle(used.prompt_tokens, used.completion_tokens, failed=failed)

    def _settle(self, status: int, body: bytes = b"") -> None:
        """From here on it stays. Raises `CutOff` if it was to move in this very moment."""
        lease = self.lease
        assert lease is not None
        if lease.moved:
            raise CutOff("the worker fell silent")
        lease.leave = None
        self.started = True
        now = self.record.now()
        if status < 400:
            self.record.first_byte(now)
        if self.asked.generates:
            if status >= 500:
                lease.fail(trouble_in(body))
            else:
                lease.answered(now)


def trouble_in(body: bytes) -> Trouble:
    """What a worker's answer with 5xx says of it."""
    return "denied" if code_of(body) == PROVIDER_REFUSED else "failed"


def code_of(body: bytes) -> str:
    """Of an error as OpenAI's clients know it; `upstream` where it says none."""
    try:
        error = orjson.loads(body)["error"]
        code = error.get("code") or error.get("type")
    except (orjson.JSONDecodeError, KeyError, TypeError, AttributeError):
        return "upstream"
    return code if isinstance(code, str) and code else "upstream"
