"""From OpenAI's requests to what an engine is asked; pure functions."""

from __future__ import annotations

from dataclasses import replace

from server.wire.openai import ChatRequest, CompletionRequest, GenerationRequest
from server.worker.asked import AfterThought, Ask, Form, Prepared, Prompt, Text, Tokens
from server.worker.context import room
from server.worker.local.conversation import form_of
from server.worker.local.response_format import text_form
from server.worker.terms import Terms
from server.worker.text.thinking import Marks, begun_in

COMPLETION_TOKENS = 16
"""OpenAI's default for `max_tokens` of /v1/completions; a chat may fill the context."""


def prompts(request: CompletionRequest) -> list[Prompt]:
    return [Text(p) if isinstance(p, str) else Tokens(tuple(p)) for p in request.prompt]


def chat_ask(
    request: ChatRequest,
    prepared: Prepared,
    context_length: int | None,
    terms: Terms,
    marks: Marks | None = None,
) -> Ask:
    """`marks`: around what the model thinks, where it does. Raises `ContextLengthExceeded`."""
    wanted = request.max_completion_tokens or request.max_tokens
    most = room(context_length, prepared.tokens, wanted, param="messages")
    logprobs = (request.top_logprobs or 0) if request.logprobs else None
    inner = form_of(request, prepared.calls)
    form: Form | None = inner
    if inner is not None and marks is not None:
        form = AfterThought(inner, marks, begun_in(prepared.text, marks))
    return replace(_ask(request, most, terms, logprobs, form), marks=marks)


def completion_ask(
    request: CompletionRequest, prepared: Prepared, context_length: int | None, terms: Terms
) -> Ask:
    """Raises `ContextLengthExceeded`. Where nothing shall be generated, one token is: no engine
    has a word for none."""
    wanted = COMPLETION_TOKENS if request.max_tokens is None else max(1, request.max_tokens)
    most = room(context_length, prepared.tokens, wanted, param="prompt")
    logprobs = request.logprobs
    if logprobs is None and request.candidates > (request.n or 1):
        logprobs = 0  # to find the best of them
    ask = _ask(request, most, terms, logprobs, text_form(request))
    return replace(ask, score_prompt=bool(request.echo) and request.logprobs is not None)


def for_choice(ask: Ask, index: int) -> Ask:
    """Choices of one request differ, and are the same ones for the same seed."""
    return ask if ask.seed is None else replace(ask, seed=ask.seed + index)


def _ask(
    request: GenerationRequest,
    max_tokens: int,
    terms: Terms,
    logprobs: int | None,
    form: Form | None,
) -> Ask:
    return Ask(
        max_tokens=max_tokens,
        temperature=request.temperature,
        top_p=request.top_p,
        top_k=None if request.top_k is None else max(0, request.top_k),
        repetition_penalty=request.repetition_penalty,
        frequency_penalty=request.frequency_penalty or 0.0,
        presence_penalty=request.presence_penalty or 0.0,
        logit_bias={int(token): bias for token, bias in (request.logit_bias or {}).items()},
        seed=request.seed,
        stop=tuple(request.stop or ()),
        form=form,
        logprobs=logprobs,
        lane=terms.lane,
        customer=terms.customer,
    )
