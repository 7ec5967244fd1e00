"""Answers that have a form: JSON, or JSON that a schema describes.

A schema becomes a grammar once; each answer then walks through it token by token, and before each
token the grammar says which ones may come.

The library is llguidance. Of those tried (xgrammar and outlines-core are the others) it alone
refuses what it cannot keep to instead of quietly ignoring it, and compiles most schemas in
milliseconds. A stranger's schema can still cost minutes, or end the process that reads it, so each
new one is tried in a process of its own first (`trial.py`).
"""

from __future__ import annotations

import asyncio
import json
import re
import signal
import sys
import threading
from collections.abc import Callable, Collection
from dataclasses import dataclass
from functools import cache, partial
from hashlib import sha256
from subprocess import DEVNULL, PIPE
from typing import Any

import anyio
import anyio.to_thread
import torch
from llguidance import LLMatcher, LLTokenizer
from torch import Tensor

from server.core.errors import BadRequest, Internal, Overloaded, Unavailable
from server.worker.asked import AfterThought, Calls, Form, JsonSchema
from server.worker.forms import trial
from server.worker.forms.calls import lark_of, written
from server.worker.forms.closing import Closing
from server.worker.forms.known import Known
from server.worker.forms.trial import Trial, build
from server.worker.forms.wish import (
    ANY_OBJECT,
    Wish,
    alone,
    answer_of,
    param_of,
    trial_of,
    wish_of,
)

COMPILE_S = 20.0
"""Waiting for others included; a trial ends itself after `CPU_S` of work."""
_TRIALS = 2
"""At the same time,"""
_MOST_WAITING = 8
"""and so many more in line."""


Spell = Callable[[Any, int, list[int]], LLTokenizer]
"""What the library has to know of a tokenizer, with so many tokens and these ends."""


def _spell(tokenizer: Any, tokens: int, ends: list[int]) -> LLTokenizer:
    from llguidance.hf import from_tokenizer  # brings transformers, which not every engine has

    return from_tokenizer(tokenizer, n_vocab=tokens, eos_token=ends)


class Grammars:
    """Those of one model. `vocabulary`: the length of its scores; `ends`: tokens that end an
    answer, at least one."""

    def __init__(
        self, tokenizer: Any, vocabulary: int, ends: Collection[int], spell: Spell = _spell
    ) -> None:
        self._tokenizer = tokenizer
        self._spell = spell
        self._vocabulary = max(vocabulary, len(tokenizer))
        self._ends = sorted(ends)
        self._specials: dict[str, int] = {}
        """Tokens that the library takes for no part of any text, once it is loaded: those that
        the tokenizer calls special, and others such as `<tool_call>`."""
        self._words: LLTokenizer | None = None
        self._closing: Closing | None = None
        self._between_calls: Closing | None = None
        self._lock = threading.Lock()
        self._trials = anyio.Semaphore(_TRIALS)
        self._known = Known()

    def load(self) -> None:
        """Blocks, and holds every other thread up, so it is a part of loading the model: 0.03 s
        for 3,000 tokens; 2 to 3 s and 130 MB for 150,000, half of that in one go.

        The first `compile` does it if nobody did. Raises `BadRequest`.
        """
        with self._lock:
            if self._words is not None:
                return
            try:
                words = self._spell(self._tokenizer, self._vocabulary, self._ends)
            except Exception as error:  # it has no name of its own for what it does not know
                raise BadRequest(
                    "This model's tokenizer cannot keep to a form.", param="response_format"
                ) from error
            added = getattr(self._tokenizer, "added_tokens_decoder", {}).items()
            special = {one.content: id_ for id_, one in added if words.is_special_token(id_)}
            self._specials = special
            self._closing = Closing(words, self._ends)
            self._between_calls = Closing(words, self._ends, between_calls=True)
            self._words = words

    async def compile(self, form: Form) -> Grammar:
        """Cheap for a form that was seen lately. To be cancelled is to end the trial.

        Raises `BadRequest` naming the schema's place and what is wrong with it, and `Overloaded`
        or `Unavailable` if the machine is too busy to find out.
        """
        wish = wish_of(form)
        asked = trial_of(wish)
        key = sha256(f"{asked['lenient']}{asked['text']}".encode()).digest()
        found = self._known.get(key)
        if found is None:
            found = await self._found(key, wish, asked)
            self._known.put(key, found, len(asked["text"]))
        if isinstance(found, str):
            raise await self._refusal(wish, found)
        answer = answer_of(wish)
        calls_only = isinstance(answer, Calls) and answer.demanded
        closing = self._between_calls if calls_only else self._closing
        assert closing is not None
        marks = wish.marks if isinstance(wish, AfterThought) else None
        thought_end = None if marks is None else self._specials.get(marks.end)
        return Grammar(found, closing, param_of(wish), thought_end)

    def lark(self, form: Form) -> str:
        """What `compile` has found good, for an engine that follows it by itself."""
        wish = wish_of(form)
        return lark_of(wish, self._literal, self._marks_beside(wish))

    async def _found(self, key: bytes, wish: Wish, asked: Trial) -> LLMatcher | str:
        """In its turn. Raises `Overloaded` and `Unavailable`."""
        if self._trials.statistics().tasks_waiting >= _MOST_WAITING:
            raise Overloaded("Too many new schemas at once; try again.", retry_after_s=COMPILE_S)
        try:
            with anyio.fail_after(COMPILE_S):
                async with self._trials:
                    return self._known.get(key) or await self._compile(wish, asked)
        except TimeoutError as error:
            raise Unavailable("Too many schemas to compile.", retry_after_s=1) from error

    async def _refusal(self, wish: Wish, fault: str) -> BadRequest:
        """Names the one among several schemas that is at fault."""
        inner = answer_of(wish)
        if isinstance(inner, Calls):
            for function in inner.functions:
                try:
                    await self.compile(alone(function))
                except BadRequest as error:
                    return error
        return BadRequest(f"This schema cannot be kept to: {fault}", param=param_of(wish))

    async def _compile(self, wish: Wish, asked: Trial) -> LLMatcher | str:
        """At the form's beginning; or what is wrong."""
        fault = "" if wish is ANY_OBJECT else await _try(asked)
        return fault or await anyio.to_thread.run_sync(partial(self._build, wish, asked))

    def _build(self, wish: Wish, asked: Trial) -> LLMatcher | str:
        self.load()
        assert self._words is not None
        if not isinstance(wish, JsonSchema):
            asked = trial_of(wish, self._literal, self._marks_beside(wish))
        try:
            return build(self._words, asked)
        except ValueError as error:
            return str(error)

    def _literal(self, text: str) -> str:
        """Special tokens in it as what they are."""
        special = f"({'|'.join(map(re.escape, self._specials)) or '(?!)'})"
        parts = re.split(special, text)
        ids = self._tokenizer.convert_tokens_to_ids(parts[1::2])
        parts[::2] = map(written, parts[::2])
        parts[1::2] = [f"<[{token}]>" for token in ids]
        return " ".join(filter(None, parts))

    def _marks_beside(self, wish: Wish) -> str:
        """Special tokens that may stand in a text: all but those that end it, or begin something
        else."""
        inner = answer_of(wish)
        taken = inner.style.begin if isinstance(inner, Calls) else ""
        if isinstance(wish, AfterThought):
            taken += wish.marks.begin
        others = (id_ for mark, id_ in self._specials.items() if mark not in taken)
        ids = sorted({*others}.difference(self._ends))
        return f"<[{','.join(map(str, ids))}]>" if ids else ""


@dataclass(frozen=True, slots=True)
class Grammar:
    """A compiled form; any number of answers can follow it, at the same time."""

    _start: LLMatcher
    _closing: Closing
    _param: str
    _thought_end: int | None = None

    def begin(self) -> Constraint:
        matcher = self._start.deep_copy()
        return Constraint(matcher, self._closing, self._param, self._thought_end)


class Constraint:
    """The way of one answer through a form. One thread at a time."""

    __slots__ = ("_bits", "_closing", "_matcher", "_param", "_thought_end")

    def __init__(
        self, matcher: LLMatcher, closing: Closing, param: str, thought_end: int | None
    ) -> None:
        """`thought_end`: the special token that ends the thought in front of the form."""
        self._matcher = matcher
        self._closing = closing
        self._param = param
        self._thought_end = thought_end
        self._bits = b""
        """Of the last mask: 1 for each token that may come, the lowest of a byte first."""

    def mask(self, scores: Tensor) -> Tensor:
        """`scores` with minus infinity for each token that may not come; at least one may. What
        an end has that may not come yet goes to what brings it nearer.

        scores: (vocabulary,), finite or minus infinity, on any device; they are left as they are.
        Raises `BadRequest` where the schema has become too expensive to follow.
        """
        self._bits = self._matcher.compute_bitmask()
        if self._matcher.is_error():
            raise self._too_expensive()
        packed = torch.frombuffer(bytearray(self._bits), dtype=torch.uint8).to(scores.device)
        # Adding takes a quarter of the time of filling, which guesses at each token's branch.
        bars = _bars(scores.device, scores.dtype).index_select(0, packed.int())
        masked = scores + bars.flatten()[: scores.shape[-1]]
        self._closing.give(masked, scores, self._bits, self._thought_end)
        return masked

    def accept(self, token: int) -> None:
        """Go on to what may follow `token`, which the last mask left possible.

        Raises `BadRequest` as `mask` does.
        """
        if not self._bits[token >> 3] >> (token & 7) & 1:
            raise Internal(f"token {token} does not fit the form of its answer")
        if not self._matcher.consume_token(token):
            raise self._too_expensive()

    def _too_expensive(self) -> BadRequest:
        return BadRequest(
            "This schema takes too long to follow; make it simpler.", param=self._param
        )

    @property
    def is_done(self) -> bool:
        """The answer has its form, and nothing but an end may follow."""
        return self._matcher.is_stopped()

    @property
    def may_end(self) -> bool:
        """The answer has its form; more may follow, such as digits."""
        return self._matcher.is_accepting()


async def _try(asked: Trial) -> str:
    """What is wrong with it; empty if nothing is."""
    # -P: what lies beside the script must not be taken for a library.
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-P", trial.__file__), stdin=PIPE, stdout=PIPE, stderr=DEVNULL
    )
    try:
        said, _ = await process.communicate(json.dumps(asked).encode())
    finally:
        if process.returncode is None:  # somebody left
            process.kill()
            with anyio.CancelScope(shield=True):
                await process.wait()
    status = await process.wait()
    if status == -signal.SIGXCPU:
        return f"it takes more than {trial.CPU_S} s to compile"
    if status < 0:
        return "it is too large, or nested too deeply"
    if status > 0:
        raise Internal(f"the trial of a schema failed with exit code {status}")
    return said.decode()


@cache
def _bars(device: torch.device, dtype: torch.dtype) -> Tensor:
    """For each byte, 0 for a bit that is 1 and minus infinity for one that is 0; (256, 8)."""
    unset = ((torch.arange(256)[:, None] >> torch.arange(8)) & 1).eq(0)
    return torch.zeros(256, 8, dtype=dtype).masked_fill(unset, -torch.inf).to(device)
