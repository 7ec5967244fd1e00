"""One answer as it is told: its tokens become text, and an end or a stop text ends it."""

from __future__ import annotations

from collections.abc import Sequence

from server.worker.asked import Ask, Delta, FinishReason, Scored
from server.worker.prompts.tokenizing import TokenPrompt
from server.worker.text.detokeniser import Decode, Detokeniser
from server.worker.text.stops import StopHolder


class Telling:
    def __init__(self, prompt: TokenPrompt, ask: Ask, ends: frozenset[int], decode: Decode) -> None:
        """`ends`: tokens that end it."""
        self.ended = False
        self.picked: list[int] = []
        self.prompt_scores: list[Scored | None] = [None] if ask.score_prompt else []
        """Of the prompt's tokens, told in the first piece."""
        self.cached = 0
        """Of them, those that did not have to be read again."""
        self._max_tokens = ask.max_tokens
        self._ends = ends
        self._text = Detokeniser(decode, prompt.context)
        self._holder = StopHolder((*prompt.stop, *ask.stop))
        self._scores: list[Scored] = []
        """Of tokens whose text is held back."""

    def tell(self, token: int, score: Scored | None, *, last: bool = False) -> Delta | None:
        """What it adds, if that can be shown yet. `last`: nothing may follow."""
        self.picked.append(token)
        if score is not None:
            self._scores.append(score)
        if token in self._ends:
            return self.end("stop")
        new = self._holder.feed(self._text.feed(token))
        if self._holder.stopped:  # what the stop text was made of is not told
            self._scores = _within(self._scores, new)
            return self._last(new, "stop")
        if last:
            return self.end("stop", new)
        if len(self.picked) == self._max_tokens:
            return self.end("length", new)
        return self._delta(new, None) if new else None

    def end(self, finish: FinishReason, text: str = "") -> Delta:
        """`text`, what was held back, and nothing more."""
        return self._last(text + self._holder.flush(), finish)

    def _last(self, text: str, finish: FinishReason) -> Delta:
        self.ended = True
        return self._delta(text, finish)

    def _delta(self, text: str, finish: FinishReason | None) -> Delta:
        scores, self._scores = tuple(self._scores), []
        prompt, self.prompt_scores = tuple(self.prompt_scores), []
        stop = self._holder.found
        return Delta(text, len(self.picked), finish, scores, prompt, self.cached, stop)


def _within(scores: Sequence[Scored], text: str) -> list[Scored]:
    """Those of the tokens that `text` is made of."""
    left = len(text.encode())
    kept = []
    for score in scores:
        if left <= 0:
            break
        kept.append(score)
        left -= len(score.text)
    return kept
