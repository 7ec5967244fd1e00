"""The vocabulary in a GGUF file, spoken of as tokenizers of transformers are."""

from __future__ import annotations

import ctypes
from collections.abc import Mapping, Sequence
from functools import cached_property
from typing import Any, Final, NamedTuple

import llama_cpp as lib
from jinja2 import TemplateError
from llguidance import LLTokenizer, TokenizerWrapper

from server.core.errors import StartError
from server.worker.gguf.llama import Model
from server.worker.prompts.template import compile_template

_MARK: Final = lib.LLAMA_TOKEN_ATTR_CONTROL | lib.LLAMA_TOKEN_ATTR_UNKNOWN
_SENTENCEPIECE: Final = 1
"""llama.cpp's number of vocabularies in which texts begin with a space that nobody wrote."""
_PIECE_BYTES: Final = 256


def spell(words: Words, tokens: int, ends: list[int]) -> LLTokenizer:
    """As `_grammar.Spell`."""
    return LLTokenizer(TokenizerWrapper(_Spelt(words, ends)), n_vocab=tokens, eos_token=ends)


class _Spelt:
    def __init__(self, words: Words, ends: list[int]) -> None:
        self.tokens = [words.piece(token) for token in range(len(words))]
        self.special_token_ids = words.all_special_ids
        self.bos_token_id = words.bos_token_id
        self.eos_token_id = ends[0]
        self._words = words

    def __call__(self, text: bytes) -> list[int]:
        return self._words.encode(text)


class Added(NamedTuple):
    content: str
    special: bool = True


class Words:
    """Any number of threads may use it at once."""

    def __init__(self, model: Model) -> None:
        """Raises `StartError` for a chat template that is none."""
        self._model = model
        self._vocabulary = model.vocabulary
        self._pieces: dict[int, bytes] = {}
        count = range(model.tokens)
        attributes = [lib.llama_vocab_get_attr(self._vocabulary, token) for token in count]
        marks = [token for token in count if attributes[token] & _MARK]
        self.added_tokens_decoder = {token: Added(self._written(token)) for token in marks}
        """Those that control the model."""
        self.all_special_ids = marks
        self._marks = frozenset(marks)
        self.ends = frozenset(t for t in count if lib.llama_vocab_is_eog(self._vocabulary, t))
        """Those that end an answer."""
        self.bos_token_id = self._token(lib.llama_vocab_bos(self._vocabulary))
        self.eos_token_id = self._token(lib.llama_vocab_eos(self._vocabulary))
        self.bos_token = self._text_of(self.bos_token_id)
        self.eos_token = self._text_of(self.eos_token_id)
        self._has_space = (
            lib.llama_vocab_type(self._vocabulary) == _SENTENCEPIECE
            and model.said("tokenizer.ggml.add_space_prefix") != "false"
        )
        self.chat_template = model.said("tokenizer.chat_template")
        try:
            self._template = compile_template(self.chat_template or "")
        except TemplateError as error:
            raise StartError(f"its chat template is none: {error}") from error

    def __len__(self) -> int:
        return self._model.tokens

    def __deepcopy__(self, _: object) -> Words:
        """Encoding changes nothing in it, so one is enough for all."""
        return self

    def __call__(
        self,
        text: str | Sequence[str],
        *,
        add_special_tokens: bool = True,
        split_special_tokens: bool = False,
        verbose: bool = True,
    ) -> Mapping[str, Any]:
        def encoded(one: str) -> list[int]:
            raw = one.encode("utf-8", "replace")
            return self.encode(raw, marks=add_special_tokens, plain=split_special_tokens)

        ids = encoded(text) if isinstance(text, str) else [encoded(one) for one in text]
        return {"input_ids": ids}

    def apply_chat_template(
        self,
        messages: Sequence[Mapping[str, Any]],
        *,
        tools: Sequence[Mapping[str, Any]] | None,
        tokenize: bool,
        add_generation_prompt: bool,
        **variables: Any,
    ) -> str:
        """Raises `jinja2.TemplateError`, and whatever else a template stumbles over."""
        assert not tokenize
        return self._template.render(
            messages=messages,
            add_generation_prompt=add_generation_prompt,
            bos_token=self.bos_token or "",
            eos_token=self.eos_token or "",
            tools=tools,
            **{"documents": None, **variables},
        )

    def decode(
        self,
        ids: Sequence[int],
        *,
        skip_special_tokens: bool = False,
        clean_up_tokenization_spaces: bool = False,
    ) -> str:
        """Bytes that are no character become U+FFFD."""
        shown = [id_ for id_ in ids if not (skip_special_tokens and id_ in self._marks)]
        text = b"".join(map(self.piece, shown)).decode("utf-8", "replace")
        return text.removeprefix(" ") if self._has_space else text

    def bytes_of(self, token: int) -> bytes:
        """What it adds to a text that is told; marks add nothing."""
        return b"" if token in self._marks else self.piece(token)

    def convert_ids_to_tokens(self, tokens: Sequence[int]) -> list[str]:
        return [self._written(token) for token in tokens]

    def convert_tokens_to_ids(self, tokens: Sequence[str]) -> list[int]:
        return [self._numbers[token] for token in tokens]

    @cached_property
    def _numbers(self) -> dict[str, int]:
        return {self._written(token): token for token in range(len(self))}

    def encode(self, text: bytes, *, marks: bool = False, plain: bool = True) -> list[int]:
        """`marks`: with those that a text begins with; `plain`: none in it is taken for one."""
        room = len(text) + 8  # hardly a token is less than a byte, but for marks and a space
        while True:
            buffer = (ctypes.c_int32 * room)()
            count = lib.llama_tokenize(
                self._vocabulary, text, len(text), buffer, room, marks, not plain
            )
            if count >= 0:
                return list(buffer[:count])
            room = -count

    def piece(self, token: int) -> bytes:
        """What it is in a text, as a mark too."""
        found = self._pieces.get(token)
        if found is None:
            found = self._pieces[token] = self._read_piece(token)
        return found

    def _read_piece(self, token: int, room: int = _PIECE_BYTES) -> bytes:
        buffer = ctypes.create_string_buffer(room)
        length = lib.llama_token_to_piece(self._vocabulary, token, buffer, room, 0, True)
        return self._read_piece(token, -length) if length < 0 else buffer.raw[:length]

    def _written(self, token: int) -> str:
        return str(lib.llama_vocab_get_text(self._vocabulary, token).decode("utf-8", "replace"))

    def _text_of(self, token: int | None) -> str | None:
        return None if token is None else self._written(token)

    @staticmethod
    def _token(number: int) -> int | None:
        return None if number < 0 else number
