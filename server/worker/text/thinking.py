"""Keeps what a model thinks, between two marks at the beginning of its answer, apart from it."""

from __future__ import annotations

from typing import Literal, NamedTuple

from server.worker.text.begun import begun


class Marks(NamedTuple):
    """`<think>` and `</think>`, or what a model has instead."""

    begin: str
    end: str


def begun_in(prompt: str, marks: Marks) -> bool:
    """Whether a prompt ends where a thought begins."""
    return prompt.rstrip().endswith(marks.begin)


class Told(NamedTuple):
    """Of what was fed."""

    thought: str
    answer: str


class Thoughts:
    """However the text is cut into pieces, the same thoughts and the same answer come out.

    Marks, and the empty lines around them, are in neither of them. What may turn out to be a part
    of that is held back.
    """

    def __init__(self, marks: Marks, *, inside: bool = False) -> None:
        """`inside`: the prompt ends with the mark that begins a thought."""
        self._marks = marks
        self._inside = inside
        self._state: Literal["opening", "thinking", "closed", "answering"] = "opening"
        self._fed = 0
        self._held = ""
        self._has_thought = False
        """Whether any of the thought was told."""
        self.begun = inside
        """Whether there is a thought."""
        self.answer_at: int | None = None
        """Characters of the text in front of the answer, once it has begun."""

    @property
    def over(self) -> bool:
        """Whether what comes is the answer."""
        return self._state in ("closed", "answering")

    @property
    def told(self) -> int:
        """Characters of the text that are not held back, marks included."""
        return self._fed - len(self._held)

    def feed(self, text: str) -> Told:
        """What can be told now."""
        self._fed += len(text)
        self._held += text
        if self._state == "opening":
            self._open()
        thought = self._think() if self._state == "thinking" else ""
        return Told(thought, self._answer() if self.over else "")

    def flush(self) -> Told:
        """What was held back and was no mark after all; the text is over."""
        rest, self._held = self._held, ""
        if self._state == "thinking" or (self._state == "opening" and self._inside):
            return Told(rest.rstrip("\n"), "")
        if self._state == "opening" and rest:
            self._begin_answer(rest)
        return Told("", rest if self._state == "answering" else "")

    def _open(self) -> None:
        seen = self._held.lstrip()
        begin = self._marks.begin
        if seen.startswith(begin):
            self._held = seen.removeprefix(begin)
            self._state, self.begun = "thinking", True
        elif not begin.startswith(seen):
            self._state = "thinking" if self._inside else "answering"

    def _think(self) -> str:
        if not self._has_thought:
            self._held = self._held.lstrip("\n")
        end = self._held.find(self._marks.end)
        if end >= 0:
            thought = self._held[:end].rstrip("\n")
            self._held = self._held[end + len(self._marks.end) :]
            self._state = "closed"
        else:
            sure = _sure(self._held, self._marks.end)
            thought, self._held = self._held[:sure], self._held[sure:]
        self._has_thought = self._has_thought or bool(thought)
        return thought

    def _answer(self) -> str:
        if self._state == "closed":
            self._held = self._held.lstrip("\n")
        text, self._held = self._held, ""
        if text:
            self._begin_answer(text)
        return text

    def _begin_answer(self, text: str) -> None:
        self._state = "answering"
        if self.answer_at is None:
            self.answer_at = self._fed - len(text)


def _sure(text: str, mark: str) -> int:
    """Where in `text` a mark, or empty lines in front of one, may begin that is not all there."""
    return len(text[: len(text) - begun(text, (mark,))].rstrip("\n"))
