"""Many answers, one thread: prompts are read in pieces, and all that are read go on together.

A step is either a piece of one prompt, or one more token for everybody who is past the prompt.
Whose turn it is depends on lanes and customers (`turns.py`); those who go on together take turns as
one, with the weight of the most urgent lane. Nothing else touches the model, so nothing needs
locks. An answer that its consumer left is gone before the next step.
"""

from __future__ import annotations

import asyncio
import logging
import threading
from collections import deque
from collections.abc import AsyncGenerator, Callable, Sequence
from typing import Any, Generic, Protocol, TypeVar

from server.core.errors import Unavailable
from server.wire.lanes import LANES, Lane
from server.worker.seats import End, Post, Seat
from server.worker.turns import Turns

log = logging.getLogger(__name__)

T = TypeVar("T")
T_co = TypeVar("T_co", covariant=True)
S = TypeVar("S")
S_co = TypeVar("S_co", covariant=True)
"""Scores: what a model makes of a text, of which an answer's next token is picked."""

MAX_AHEAD = 256
"""Pieces that may wait for a slow consumer before its answer pauses."""
_JOIN_S = 5.0


class Answering(Protocol[S, T_co]):
    """One answer in the making."""

    @property
    def ended(self) -> bool:
        """It has had its last token."""

    def read(self) -> S | None:
        """Read a piece of the prompt; the scores of the first token when that was the last one."""

    def take(self, scores: S) -> T_co | None:
        """Pick the next token; what it adds, if it adds anything yet."""


A = TypeVar("A", bound=Answering[Any, Any])


class Group(Protocol[A, S_co]):
    """Those that go on together."""

    def join(self, answer: A) -> None:
        """From the next step on, from the token that it has just taken. Raises `RequestError`."""

    def leave(self, answer: A) -> None:
        """It keeps what it needs to join again."""

    def step(self) -> Sequence[tuple[A, S_co]]:
        """The scores of each one's next token."""

    def end(self, answer: A) -> None:
        """It is over, well or not, whether it had joined or not."""


class Batcher(Generic[A, S, T]):
    """`close` it; its thread is a daemon, so a process in trouble can still end."""

    def __init__(
        self,
        name: str,
        group: Group[A, S],
        *,
        failed: Callable[[str], None] = log.critical,
        max_ahead: int = MAX_AHEAD,
    ) -> None:
        """`failed`: told why, by the thread, when it ends without having been asked to."""
        self._group = group
        self._failed = failed
        self._chores: deque[Callable[[], None]] = deque()
        self._together = _Together()
        self._turns: Turns[Seat[A, T] | _Together] = Turns()
        self._joined: dict[A, Seat[A, T]] = {}
        self._resting: list[Seat[A, T]] = []
        """Their consumers are slow."""
        self._changed = threading.Condition()
        self._closing = False
        self._news = False
        """Somebody has left or caught up since we looked."""
        self._post: Post[A, T] = Post()
        self._max_ahead = max_ahead
        self.steps_after_cancel = 0
        """Tokens that nobody wanted any more; never more than one for each answer."""
        self._thread = threading.Thread(target=self._work, name=name, daemon=True)
        self._thread.start()

    async def run(self, answer: A, lane: Lane, customer: str) -> AsyncGenerator[T, None]:
        """What it adds, piece by piece. To leave is to cancel."""
        seat: Seat[A, T] = Seat(answer, lane, customer, asyncio.get_running_loop())
        with self._changed:
            if self._closing:
                raise Unavailable("This worker is shutting down.", retry_after_s=1)
            self._turns.join(seat)
            self._changed.notify()
        try:
            while True:
                piece = await seat.pieces.get()
                if isinstance(piece, End):
                    if piece.error is not None:
                        raise piece.error
                    return
                seat.taken += 1
                if seat.made - seat.taken == self._max_ahead // 2:
                    self._wake()  # it may be resting
                yield piece
        finally:
            seat.cancelled = True
            self._wake()

    def between_steps(self, chore: Callable[[], None]) -> None:
        """Done by the thread before its next step, since nothing else may touch the model."""
        self._chores.append(chore)
        self._wake()

    def close(self) -> None:
        """Cancel every answer and end the thread."""
        with self._changed:
            self._closing = True
            self._changed.notify()
        self._thread.join(_JOIN_S)

    def _wake(self) -> None:
        with self._changed:
            self._news = True
            self._changed.notify()

    # the thread --------------------------------------------------------------------------------

    def _work(self) -> None:
        try:
            self._run_model()
        except BaseException as error:
            log.exception("the thread of the model has failed")
            self._let_all_go(Unavailable("The model has failed; it is being loaded anew."))
            self._failed(f"the model has failed: {type(error).__name__}: {error}")

    def _run_model(self) -> None:
        while (turn := self._next()) is not None:
            if isinstance(turn, _Together):
                self._go_on()
            else:
                self._read(turn)
            self._post.send()
        for seat in self._seats():
            self._end(seat, Unavailable("This worker is shutting down.", retry_after_s=1))
        self._post.send()

    def _let_all_go(self, why: Unavailable) -> None:
        """The model is not touched: it may be what has failed."""
        with self._changed:
            self._closing = True
            seats = self._seats()
        for seat in seats:
            self._post.put(seat, End(why))
        self._post.send()

    def _seats(self) -> list[Seat[A, T]]:
        reading = [seat for seat in self._turns.jobs if isinstance(seat, Seat)]
        return [*reading, *self._joined.values(), *self._resting]

    def _next(self) -> Seat[A, T] | _Together | None:
        """Whose turn it is, waiting for one; None at the end."""
        while True:
            self._look_around()
            self._post.send()
            with self._changed:
                if self._closing:
                    return None
                turn = self._turns.next()
                if turn is not None:
                    return turn
                if not self._news:
                    self._changed.wait()
                self._news = False

    def _look_around(self) -> None:
        """Who has left goes, who is slow rests, who has rested goes on; then chores are done."""
        for seat in [*self._joined.values(), *self._resting]:
            if seat.cancelled:
                self._end(seat)
        for seat in [seat for seat in self._joined.values() if seat.ahead >= self._max_ahead]:
            self._rest(seat)
        for seat in [seat for seat in self._resting if seat.ahead <= self._max_ahead // 2]:
            self._resting.remove(seat)
            self._join(seat)
        self._count_together()
        while self._chores:
            self._chores.popleft()()

    def _read(self, seat: Seat[A, T]) -> None:
        if seat.cancelled:
            self._leave_turns(seat)
            self._end(seat)
            return
        try:
            scores = seat.answer.read()
            if scores is None:
                return
            piece = seat.answer.take(scores)
        except BaseException as error:  # whatever it is, it belongs to the consumer  # noqa: BLE001
            self._leave_turns(seat)
            self._end(seat, error)
            return
        self._leave_turns(seat)
        self.steps_after_cancel += seat.cancelled
        self._post.put(seat, piece)
        if seat.answer.ended:
            self._end(seat)
        else:
            self._join(seat)

    def _join(self, seat: Seat[A, T]) -> None:
        try:
            self._group.join(seat.answer)
        except Exception as error:  # noqa: BLE001 - there is no room: it belongs to the consumer
            self._end(seat, error)
            return
        self._joined[seat.answer] = seat
        self._count_together()

    def _rest(self, seat: Seat[A, T]) -> None:
        try:
            self._group.leave(seat.answer)
        except Exception as error:  # noqa: BLE001 - no memory to keep it: it belongs to the consumer
            self._end(seat, error)
            return
        del self._joined[seat.answer]
        self._resting.append(seat)

    def _go_on(self) -> None:
        try:
            scored = self._group.step()
        except Exception as error:  # noqa: BLE001 - of all of them: nobody knows whose fault it is
            for seat in list(self._joined.values()):
                self._end(seat, error)
            return
        for answer, scores in scored:
            seat = self._joined[answer]
            self.steps_after_cancel += seat.cancelled
            try:
                self._post.put(seat, answer.take(scores))
            except Exception as error:  # noqa: BLE001 - it belongs to the consumer
                self._end(seat, error)
            else:
                if answer.ended:
                    self._end(seat)

    def _end(self, seat: Seat[A, T], error: BaseException | None = None) -> None:
        self._joined.pop(seat.answer, None)
        if seat in self._resting:
            self._resting.remove(seat)
        self._post.put(seat, End(error))  # first: it is told even if the thread fails at the next
        self._group.end(seat.answer)
        self._count_together()

    def _leave_turns(self, seat: Seat[A, T]) -> None:
        with self._changed:
            self._turns.leave(seat)

    def _count_together(self) -> None:
        """Those who go on together have turns while there are any."""
        together = self._together
        seats = self._joined.values()
        if seats:
            together.lane = min((seat.lane for seat in seats), key=LANES.index)
        with self._changed:
            if bool(seats) is not together.present:
                together.present = bool(seats)
                (self._turns.join if seats else self._turns.leave)(together)


class _Together:
    """All that are past their prompts, as one of those that take turns."""

    customer = ""
    cancelled = paused = opening = False

    def __init__(self) -> None:
        self.lane: Lane = "normal"
        self.due = 0.0
        self.present = False
