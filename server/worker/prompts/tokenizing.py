"""Conversations and texts to tokens."""

from __future__ import annotations

import copy
import re
import secrets
import threading
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from functools import cached_property, partial
from inspect import signature
from itertools import chain
from typing import Any

from server.clients.conversation import build_prompt
from server.core.errors import BadRequest
from server.core.limits import TEMPLATE_S
from server.wire.openai_refusals import bad
from server.worker.asked import Chat, Prompt, Text, Tokens
from server.worker.call_style import PLAIN, derive_calls
from server.worker.calls import CallStyle
from server.worker.prompts.messages import (
    Write,
    each_text,
    has_calls,
    in_plain_text,
    with_objects,
    with_texts,
)
from server.worker.prompts.overtime import within

CONTEXT_TOKENS = 8
"""Of a prompt that the answer continues in mid-sentence."""


@dataclass(frozen=True, slots=True)
class TokenPrompt:
    ids: tuple[int, ...]
    text: str
    stop: tuple[str, ...] = ()
    stop_token_ids: tuple[int, ...] = ()
    context: tuple[int, ...] = ()
    """The end of a prompt that is continued, not answered."""


class Prompter:
    """Blocks; call it in a thread. `conversation`: FastChat's template for a model without one."""

    def __init__(
        self, tokenizer: Any, conversation: str | None, ends: Collection[int] = ()
    ) -> None:
        """`ends`: tokens that end an answer."""
        # Encoding sets options inside the tokenizer, so what decodes elsewhere needs its own.
        self._tokenizer = copy.deepcopy(tokenizer)
        self._lock = threading.Lock()
        self._conversation = conversation
        self._ends = tuple(tokenizer.convert_ids_to_tokens(sorted(ends)))
        added = tokenizer.added_tokens_decoder.values()
        self.specials = frozenset(token.content for token in added if token.special)
        """Texts of the tokens that control the model."""
        self._parameters = {*signature(tokenizer.apply_chat_template).parameters, "messages"}
        """Names that are no variables of a template."""
        self._start = next(
            ((id_,) for id_ in (tokenizer.bos_token_id, tokenizer.eos_token_id) if id_ is not None),
            (),
        )
        """Where a model begins that is told nothing; empty: this one cannot."""
        self._special = re.compile("|".join(map(re.escape, self.specials)) or r"(?!)")

    def prepare(self, prompt: Prompt) -> TokenPrompt:
        """At least one token. Raises `BadRequest`."""
        match prompt:
            case Chat() if self._conversation is not None:
                return self._from_conversation(self._conversation, prompt)
            case Chat():
                made = self._from_template(prompt)
                if not made.ids:
                    raise BadRequest("These messages make an empty prompt.", param="messages")
                return made
            case Text(text):
                ids = self._encode_text(text)
            case Tokens(ids):
                if not ids:
                    raise BadRequest("A prompt has at least one token.", param="prompt")
                text = self._decoded(ids)
        return TokenPrompt(ids, text, context=ids[-CONTEXT_TOKENS:])

    def call_style(self, prompt: Prompt) -> CallStyle | None:
        """How the model writes calls, if it was offered functions."""
        return self._calls[1] if isinstance(prompt, Chat) and prompt.functions else None

    @cached_property
    def _calls(self) -> tuple[Write, CallStyle]:
        """How the template takes calls, and how it writes them."""
        if self._conversation is None:
            for write in (with_objects, with_texts):
                render = partial(self._render, write)
                if style := derive_calls(render, self.specials, self._ends):
                    return write, style
        return in_plain_text, PLAIN

    def render(self, chat: Chat) -> str:
        """The prompt that the model's own template makes of `chat`. Raises `BadRequest`."""
        write = self._calls[0] if has_calls(chat) else with_texts
        return self._render(write, chat)

    def _render(self, write: Write, chat: Chat) -> str:
        messages, tools = write(chat)
        if taken := self._parameters & chat.variables.keys():
            raise BadRequest(
                f"A chat template has no variable {min(taken)!r}.", param="chat_template_kwargs"
            )
        make = partial(
            self._tokenizer.apply_chat_template,
            messages,
            tools=tools,
            tokenize=False,
            add_generation_prompt=True,
            **chat.variables,
        )
        try:
            text: str = within(TEMPLATE_S, make)
        except TimeoutError as error:
            raise BadRequest(
                f"This model's chat template does not end with these messages: {error}.",
                param="messages",
            ) from error
        except Exception as error:  # templates of strangers fail in strange ways
            raise BadRequest(
                f"This model's chat template does not take these messages: {error}",
                param="messages",
            ) from error
        return text

    def _from_conversation(self, name: str, chat: Chat) -> TokenPrompt:
        messages, _ = in_plain_text(chat)
        built = build_prompt(name, [(one["role"], one["content"]) for one in messages])
        ids = self._encode_text(built.text)
        return TokenPrompt(ids, built.text, built.stop, built.stop_token_ids)

    def _from_template(self, chat: Chat) -> TokenPrompt:
        """Special tokens in somebody's text are text: marks stand in for them in the template."""
        mark = f"\ue000{secrets.token_hex(8)}"
        taken: list[str] = []

        def put_aside(found: re.Match[str]) -> str:
            taken.append(found[0])
            return f"{mark}-{len(taken) - 1}\ue001"

        text = self.render(each_text(chat, partial(self._special.sub, put_aside)))
        if not taken:
            return TokenPrompt(self._encode(text), text)
        pieces = re.split(f"{mark}-(\\d+)\ue001", text)
        plain = {special: self._encode(special, plain=True) for special in set(taken)}
        pieces[1::2] = [taken[int(number)] for number in pieces[1::2]]
        encoded: list[Sequence[int]] = [()] * len(pieces)
        encoded[::2] = self._encode_each(pieces[::2])
        encoded[1::2] = [plain[special] for special in pieces[1::2]]
        return TokenPrompt(tuple(chain.from_iterable(encoded)), "".join(pieces))

    def _encode_text(self, text: str) -> tuple[int, ...]:
        """With the begin mark that the model was trained on, once."""
        bos = self._tokenizer.bos_token
        ids = self._encode(text, add_marks=not (bos and text.startswith(bos))) or self._start
        if not ids:
            raise BadRequest("This model cannot begin without a prompt.", param="prompt")
        return ids

    def _encode(
        self, text: str, *, add_marks: bool = False, plain: bool = False
    ) -> tuple[int, ...]:
        """`plain`: no part of the text is a special token."""
        if not text and not add_marks:
            return ()
        with self._lock:
            encoded = self._tokenizer(
                text, add_special_tokens=add_marks, split_special_tokens=plain, verbose=False
            )
        return tuple(encoded["input_ids"])

    def _encode_each(self, texts: list[str]) -> list[Sequence[int]]:
        """Texts without marks, in one call: there may be thousands."""
        with self._lock:
            encoded = self._tokenizer(
                texts, add_special_tokens=False, split_special_tokens=False, verbose=False
            )
        return [ids if text else () for text, ids in zip(texts, encoded["input_ids"], strict=True)]

    def _decoded(self, ids: Sequence[int]) -> str:
        vocabulary = len(self._tokenizer)
        if any(not 0 <= token < vocabulary for token in ids):
            raise bad("prompt", f"this model's tokens are 0 to {vocabulary - 1}")
        with self._lock:
            text: str = self._tokenizer.decode(list(ids), clean_up_tokenization_spaces=False)
        return text
