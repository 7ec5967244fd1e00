"""A chat that is kept: told under an id of our own, and not to its end before it is on the disk.

Workers number their answers as they like, some by a random number below a thousand; who asks for a
chat again needs a name that no other chat has.
"""

from __future__ import annotations

from server.core.ids import new_uuid
from server.core.limits import MAX_ANSWER_BYTES
from server.core.sse import DONE, data_event
from server.gateway.dialects.chats.folding import Folding
from server.gateway.dialects.values import Json


class KeptChat:
    """The `Telling` of one. `document`: the answer, once it has `ended`.

    `refused`: it could not be kept, and its client is told so.
    """

    def __init__(self, *, tells_usage: bool) -> None:
        """`tells_usage`: its client has asked a stream what it has used; we always do."""
        self.id = f"chatcmpl-{new_uuid()}"
        self.document: Json = {}
        self.ended = self.refused = self.too_large = False
        self._tells_usage = tells_usage
        self._folding = Folding()
        self._size = 0
        self._told = False

    def refuse(self) -> None:
        self.refused = True
        self.document["store"] = False

    # what `dialects.via` asks for -----------------------------------------------------------------

    def whole(self, answer: Json) -> Json:
        if not all(isinstance(choice["message"], dict) for choice in answer["choices"]):
            raise ValueError("a message is an object")
        self.document = answer | {"id": self.id}
        self.ended = True
        return self.document

    def chunk(self, chunk: Json) -> bytes:
        if not self.too_large:
            self._folding.tell(chunk)
        told = chunk | {"id": self.id}
        if not self._tells_usage and told.pop("usage", None) and not told.get("choices"):
            return b""
        event = data_event(told)
        self._size += len(event)
        self.too_large = self._size > MAX_ANSWER_BYTES
        return event

    def end(self) -> bytes:
        self.document = self._folding.whole() | {"id": self.id}
        self.ended = True
        return b""

    def last(self) -> bytes:
        """The end of a stream; before it, if that is so, that it could not be kept."""
        if self._told:
            return b""
        self._told = True
        if not self.refused:
            return DONE
        about = {name: self.document.get(name) for name in ("id", "created", "model")}
        kind = {"object": "chat.completion.chunk"}
        return data_event(about | kind | {"choices": [], "store": False}) + DONE

    def failure(self, error: Json) -> bytes:
        return b"event: error\n" + data_event({"error": error})

    def ping(self) -> bytes:
        return b": ping\n\n"
