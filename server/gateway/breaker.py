"""A circuit breaker for one worker: one that keeps failing is left alone, then tried by one probe.

closed -> open          enough of its last requests failed in the same way (`OPENS_AFTER`)
open -> half-open       its rest is over: the next request goes there alone, the probe
half-open -> closed     the probe was served
half-open -> open       the probe failed: it rests twice as long, `REST_MAX_S` at most
"""

from __future__ import annotations

import logging
from collections import deque
from collections.abc import Mapping
from types import MappingProxyType
from typing import Final, Literal

from server.core.limits import BREAKER_LAST, BREAKER_REST_MAX_S, BREAKER_REST_MIN_S

log = logging.getLogger(__name__)

Trouble = Literal["refused", "lost", "late", "failed", "denied"]
"""`refused`: no connection. `lost`: hung up, or sent what is no answer. `late`: silent for too
long. `failed`: answered with 5xx. `denied`: answered with 401 or 403, or said that its provider
did, so somebody does not trust *us*. What is the client's own fault (400, 404, 422) and 429 are
no trouble."""
State = Literal["closed", "open", "half_open"]

OPENS_AFTER: Final[Mapping[Trouble, int]] = MappingProxyType(
    {"refused": 1, "lost": 3, "late": 2, "failed": 5, "denied": 3}
)
"""So many of the last `BREAKER_LAST` requests."""
_NOTHING: Final[Mapping[str, str]] = MappingProxyType({})


class Breaker:
    """Times are those of `monotonic`. Costs a served request one `append`."""

    __slots__ = ("_about", "_last", "_probing", "_rest_s", "_until", "trouble")

    def __init__(self, about: Mapping[str, str] = _NOTHING) -> None:
        """`about`: what the log calls it by."""
        self._about = about
        self._last: deque[Trouble | None] = deque(maxlen=BREAKER_LAST)
        self._until: float | None = None
        """It rests until then; None while closed."""
        self._rest_s = BREAKER_REST_MIN_S
        self._probing = False
        self.trouble: Trouble | None = None
        """What it opened for, or last failed at as a probe; None while closed."""

    def state(self, now: float) -> State:
        if self._until is None:
            return "closed"
        return "half_open" if self._probing or self._until <= now else "open"

    def lets(self, now: float) -> bool:
        """Whether a request may go there."""
        return self._until is None or (self._until <= now and not self._probing)

    def rests_for(self, now: float) -> float:
        """Seconds until it may be asked again."""
        return 0.0 if self._until is None else max(0.0, self._until - now)

    def begin(self) -> bool:
        """A request goes there. True: it is the probe, and says how it went or `give_up`."""
        if self._until is None:
            return False
        self._probing = True
        return True

    def succeed(self, *, probe: bool) -> None:
        """While it is open, only the probe can close it."""
        if probe:
            self._close()
        self._last.append(None)

    def fail(self, trouble: Trouble, now: float, *, probe: bool) -> None:
        if probe:
            self._probing = False
            self.trouble = trouble
            self._rest_s = min(2 * self._rest_s, BREAKER_REST_MAX_S)
            self._until = now + self._rest_s
            return
        self._last.append(trouble)
        if self._until is None and self._last.count(trouble) >= OPENS_AFTER[trouble]:
            self._open(trouble, now)

    def give_up(self) -> None:
        """The probe ended before anything was learnt: the next request is one."""
        self._probing = False

    def _open(self, trouble: Trouble, now: float) -> None:
        self.trouble = trouble
        self._until = now + self._rest_s
        log.warning("circuit breaker opened", extra={**self._about, "trouble": trouble})

    def _close(self) -> None:
        log.info("circuit breaker closed", extra={**self._about, "trouble": self.trouble})
        self.trouble = None
        self._until = None
        self._probing = False
        self._rest_s = BREAKER_REST_MIN_S
        self._last.clear()
