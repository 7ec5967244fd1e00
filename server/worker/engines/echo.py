"""Repeats what it hears, word by word: for trying the plumbing without a model.

options:
    delay_ms   pause in front of each token (0)
    load_ms    how long it pretends to load (0)
"""

from __future__ import annotations

import asyncio
import hashlib
import math
import re
import time
from collections.abc import AsyncGenerator, Sequence
from zlib import crc32

from server.core.context import check_chars
from server.core.errors import BadRequest
from server.core.settings import ModelSettings
from server.wire.lanes import Lane
from server.wire.openai_refusals import bad
from server.wire.process import Report
from server.worker.asked import (
    Ask,
    Chat,
    Delta,
    Embedded,
    FinishReason,
    Likely,
    Prepared,
    Prompt,
    Reranked,
    Scored,
    Text,
    Tokens,
)
from server.worker.engine import Engine, Say
from server.worker.text.stops import StopHolder

CONTEXT_LENGTH = 8192
DIMENSIONS = 8
_TOKEN = re.compile(r"\s*\S{1,16}|\s+")


def load(settings: ModelSettings, say: Say) -> Engine:
    say(Report(state="loading", detail="learning to repeat"))
    time.sleep(float(settings.options.get("load_ms", 0)) / 1000)
    delay_s = float(settings.options.get("delay_ms", 0)) / 1000
    return EchoEngine(settings.context_length or CONTEXT_LENGTH, delay_s)


class EchoEngine(Engine):
    """A token is a word with the space in front of it, at most 16 characters."""

    abilities = ("chat", "completions", "embeddings", "rerank")

    def __init__(self, context_length: int = CONTEXT_LENGTH, delay_s: float = 0.0) -> None:
        self.context_length: int = context_length
        self._delay_s = delay_s

    async def prepare(self, prompt: Prompt) -> Prepared:
        match prompt:
            case Chat(functions=(_, *_)):
                raise _beyond("This model repeats what it hears, and calls nothing.", "tools")
            case Chat(turns):
                heard = next((turn.text for turn in reversed(turns) if turn.role == "user"), "")
                words = [word for turn in turns for word in _tokens(turn.text)]
                return Prepared(len(words), heard, words)
            case Text(text):
                return Prepared(len(_tokens(text)), text, _tokens(text))
            case Tokens(()):
                raise BadRequest("A prompt has at least one token.", param="prompt")
            case Tokens(ids):
                text = " ".join(map(str, ids))
                return Prepared(len(ids), text, ids)

    def token_ids(self, prepared: Prepared) -> tuple[int, ...]:
        """Each word's own number; there is no vocabulary to number it in."""
        assert isinstance(prepared.inner, list | tuple)
        return tuple(word if isinstance(word, int) else _number(word) for word in prepared.inner)

    async def generate(self, prepared: Prepared, ask: Ask) -> AsyncGenerator[Delta, None]:
        if ask.form is not None:
            raise _beyond(
                "This model repeats what it hears, in whatever form that has.", "response_format"
            )
        words = _tokens(prepared.text)
        finish: FinishReason = "stop" if len(words) <= ask.max_tokens else "length"
        holder = StopHolder(ask.stop)
        heard = _scored_prompt(prepared, ask)
        scores: list[Scored] = []
        count = 0
        for word in words[: ask.max_tokens]:
            await asyncio.sleep(self._delay_s)
            count += 1
            self.generated += 1
            scores += _scored(word, ask)
            text = holder.feed(word)
            if holder.stopped:
                finish, scores = "stop", _within(scores, text)
                break
            if text:
                yield Delta(text, count, scores=tuple(scores), prompt=heard)
                heard, scores = (), []
            text = ""
        else:
            text = holder.flush()
        yield Delta(text, count, finish, tuple(scores), heard, stop=holder.found)

    async def embed(
        self,
        inputs: Sequence[str | tuple[int, ...]],
        dimensions: int | None = None,
        *,
        lane: Lane = "normal",
        customer: str = "",
    ) -> Embedded:
        """Equal texts have equal vectors; nothing else about them means anything."""
        width = dimensions or DIMENSIONS
        if width > DIMENSIONS:
            most = f"this model's vectors have {DIMENSIONS}; ask for fewer, not more"
            raise bad("dimensions", most, "integer_above_max_value")
        texts = [item if isinstance(item, str) else " ".join(map(str, item)) for item in inputs]
        check_chars(self.context_length, max(map(len, texts)), param="input")
        await asyncio.sleep(self._delay_s)
        tokens = sum(len(_tokens(text)) for text in texts)
        return Embedded([_vector(text, width) for text in texts], tokens)

    async def rerank(
        self,
        query: str,
        documents: Sequence[str],
        max_tokens_per_doc: int | None = None,
        *,
        lane: Lane = "normal",
        customer: str = "",
    ) -> Reranked:
        """A document is as good as the share of the query's words that stand in it."""
        check_chars(self.context_length, len(query), param="query")
        for index, document in enumerate(documents):
            check_chars(self.context_length, len(document), param=f"documents[{index}]")
        await asyncio.sleep(self._delay_s)
        asked = {word.strip() for word in _tokens(query)}
        read = [_tokens(document)[:max_tokens_per_doc] for document in documents]
        scores = [
            len(asked & {word.strip() for word in words}) / max(1, len(asked)) for words in read
        ]
        tokens = len(read) * len(_tokens(query)) + sum(map(len, read))
        return Reranked(scores, tokens)


def _beyond(message: str, param: str) -> BadRequest:
    return BadRequest(message, param=param, code="unsupported_parameter")


def _tokens(text: str) -> list[str]:
    return _TOKEN.findall(text)


def _number(word: str) -> int:
    return crc32(word.encode()) >> 1


def _scored(word: str, ask: Ask) -> tuple[Scored, ...]:
    """It is always sure of the next word."""
    if ask.logprobs is None:
        return ()
    likely = Likely(_number(word), word.encode(), 0.0)
    return (Scored(likely.token, likely.text, 0.0, (likely,)[: ask.logprobs]),)


def _within(scores: list[Scored], text: str) -> list[Scored]:
    """Those of the words that `text` is made of; the others are of a stop text."""
    kept, left = [], len(text.encode())
    for scored in scores:
        if left > 0:
            kept.append(scored)
        left -= len(scored.text)
    return kept


def _scored_prompt(prepared: Prepared, ask: Ask) -> tuple[Scored | None, ...]:
    if not ask.score_prompt or not prepared.tokens:
        return ()
    words = prepared.inner if isinstance(prepared.inner, list) else _tokens(prepared.text)
    return (None, *(scored for word in words[1:] for scored in _scored(word, ask)))


def _vector(text: str, width: int) -> list[float]:
    raw = [byte - 127.5 for byte in hashlib.sha256(text.encode()).digest()[:width]]
    length = math.sqrt(sum(value * value for value in raw))
    return [value / length for value in raw]
