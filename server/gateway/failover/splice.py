"""The second worker's stream, made to go on where the first one's was cut."""

from __future__ import annotations

from server.core.sse import DONE, event_data
from server.gateway.failover.chunks import (
    Json,
    index_of,
    is_end_mark,
    is_error,
    read_chunk,
    write_event,
)
from server.gateway.failover.diverged import Diverged
from server.gateway.failover.known import Known
from server.gateway.failover.replay import Replay
from server.gateway.failover.told import FRAME, Told


class Splice:
    """`ended`: the client has been told an end, and what still comes is left out."""

    __slots__ = ("_choices", "_frame", "_usage_told", "_worker", "ended", "resumed")

    def __init__(self, told: Told, *, worker: int = 2) -> None:
        """`worker`: the how manyeth of this answer is to speak. Raises `Diverged` when what was
        told cannot be compared with anything."""
        self._choices = {index: Replay(known) for index, known in told.choices.items()}
        self._frame = told.frame
        self._usage_told = told.usage
        self._worker = worker
        self.ended = told.done or told.failed
        self.resumed = False
        """Whether a chunk has been passed on."""

    def feed(self, events: bytes) -> bytes:
        """What is new of whole events, `b""` if nothing is. Raises `Diverged`, after which it must
        not be asked again."""
        return b"".join(map(self._event, event_data(events)))

    def _event(self, data: bytes) -> bytes:
        if self.ended:
            return b""
        if is_end_mark(data):
            return self._end()
        chunk = read_chunk(data)
        if is_error(chunk):
            self.ended = True
            return b"event: error\n" + write_event(chunk)
        return self._chunk(chunk)

    def _end(self) -> bytes:
        if not all(replay.is_through for replay in self._choices.values()):
            raise Diverged("the other worker ends before the point that was reached")
        self.ended = True
        return DONE

    def _chunk(self, chunk: Json) -> bytes:
        choices = []
        for choice in chunk["choices"]:
            index = index_of(choice)
            rest = self._replay(index).fresh(choice)
            if rest is not None:
                choices.append({"index": index} | rest)
        if not choices and not self._is_new(chunk):
            return b""
        framed = self._framed(chunk | {"choices": choices})
        if not self.resumed:
            self.resumed = True
            framed["shortline"] = {"resumed": True, "worker": self._worker}
        return write_event(framed)

    def _replay(self, index: int) -> Replay:
        if index not in self._choices:
            self._choices[index] = Replay(Known())
        return self._choices[index]

    def _is_new(self, chunk: Json) -> bool:
        """Whether a chunk without anything new of a choice says something that is not told yet.

        Usage that comes with a choice was told with it.
        """
        if chunk["choices"]:
            return False
        if not isinstance(chunk.get("usage"), dict):
            return self.resumed
        is_last = all(replay.is_over for replay in self._choices.values())
        if self._usage_told or not is_last:
            return False
        self._usage_told = True
        return True

    def _framed(self, chunk: Json) -> Json:
        """In the frame of the chunks that were delivered."""
        if self._frame is None:
            return chunk
        kind, told = chunk.get("object"), self._frame.get("object")
        if kind and told and kind != told:
            raise Diverged("the other worker answers another kind of request")
        for key in FRAME:
            chunk.pop(key, None)
        return self._frame | chunk
