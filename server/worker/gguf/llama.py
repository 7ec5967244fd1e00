"""llama.cpp by its C interface: a model from a GGUF file, and a context that many texts share."""

from __future__ import annotations

import ctypes
import logging
import weakref
from collections import deque
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Final

import llama_cpp as lib
import numpy as np
import torch
from torch import Tensor

from server.core.errors import Internal, StartError, Unavailable
from server.core.limits import RETRY_AFTER_S

log = logging.getLogger(__name__)

_KINDS: Final = {"float32": 0, "float16": 1, "bfloat16": 30}
"""ggml's numbers of them."""
_WHOLE: Final = frozenset({0, 1, 32})
"""llama.cpp's numbers of files whose weights are float32, float16 or bfloat16."""
_ERROR: Final = 4
"""llama.cpp's number of that level of its log."""
_VALUE_BYTES: Final = 1 << 20
"""Of one entry of a file's metadata; chat templates have some thousand."""
_complaints: deque[str] = deque(maxlen=4)
"""What llama.cpp said last of what went wrong: its functions only say that something did."""


class Model:
    """Freed with the last who holds it: whoever is in the middle of something may outlive us."""

    def __init__(self, file: Path, *, gpu_layers: int) -> None:
        """`gpu_layers`: so many on GPUs; negative: all. Raises `StartError`."""
        lib.llama_log_set(_hear, ctypes.c_void_p(0))
        lib.llama_backend_init()
        params = lib.llama_model_default_params()
        params.n_gpu_layers = gpu_layers
        _complaints.clear()
        self.pointer = lib.llama_model_load_from_file(str(file).encode(), params)
        if not self.pointer:
            raise StartError(_complaint("it is no model that llama.cpp knows"))
        weakref.finalize(self, lib.llama_model_free, self.pointer).atexit = False
        self.vocabulary = lib.llama_model_get_vocab(self.pointer)
        self.bytes: int = lib.llama_model_size(self.pointer)
        self.tokens: int = lib.llama_vocab_n_tokens(self.vocabulary)
        self.context_length: int = lib.llama_model_n_ctx_train(self.pointer)
        self.remembers_tokens = not (
            lib.llama_model_is_recurrent(self.pointer) or lib.llama_model_is_hybrid(self.pointer)
        )
        """What it remembers of a text is of each token, so that a part of it is of use."""
        self.is_whole = lib.llama_model_ftype(self.pointer) % lib.LLAMA_FTYPE_GUESSED in _WHOLE
        """Its weights are numbers, not steps between two."""

    def said(self, key: str) -> str | None:
        """An entry of the file's metadata."""
        buffer = ctypes.create_string_buffer(_VALUE_BYTES)
        length = lib.llama_model_meta_val_str(self.pointer, key.encode(), buffer, len(buffer))
        return None if length < 0 else buffer.value.decode("utf-8", "replace")

    def number(self, key: str) -> float | None:
        try:
            return float(self.said(key) or "")
        except ValueError:
            return None

    def bytes_per_token(self, kind: str) -> int:
        """About what it remembers of one, where that is keys and values."""
        heads = max(lib.llama_model_n_head_kv(self.pointer), 1)
        size = lib.llama_model_n_embd(self.pointer) // max(lib.llama_model_n_head(self.pointer), 1)
        architecture = self.said("general.architecture")
        keys = self.number(f"{architecture}.attention.key_length") or size
        values = self.number(f"{architecture}.attention.value_length") or size
        layers = lib.llama_model_n_layer(self.pointer)
        return int(layers * heads * (keys + values) * (4 if kind == "float32" else 2))


class Context:
    """Many texts side by side, each with a number; for one thread at a time.

    On a CPU, with whole numbers as weights, llama.cpp reckons one token by other means than two,
    and the last digits differ. There a token that would go alone takes another one along: company
    changes no bit of an answer, as long as its tokens need not fill the gaps that others left.
    Of weights in steps, most need no such thing, and K-quants are not helped by it.
    """

    def __init__(
        self,
        model: Model,
        *,
        cells: int,
        texts: int,
        batch: int,
        threads: int,
        kind: str,
        gpu: bool,
    ) -> None:
        """`cells`: tokens of all texts together; `batch`: the most in one call; `kind`: of number
        that it remembers, such as `float16`. Raises `StartError`."""
        params = lib.llama_context_default_params()
        params.n_ctx = cells + 1
        params.n_batch = params.n_ubatch = batch = max(batch, texts) + 1
        params.n_seq_max = texts + 1
        params.kv_unified = True
        params.type_k = params.type_v = _KINDS[kind]
        params.n_threads = params.n_threads_batch = threads
        params.offload_kqv = params.op_offload = gpu
        if kind == "float32":  # flash attention reckons in float16, whatever it remembers
            params.flash_attn_type = lib.LLAMA_FLASH_ATTN_TYPE_DISABLED
        self._vocabulary = model.tokens
        _complaints.clear()
        self._pointer = lib.llama_init_from_model(model.pointer, params)
        if not self._pointer:
            raise StartError(_complaint("there is no memory for its context"))
        weakref.finalize(self, _free, self._pointer, model).atexit = False
        self._memory = lib.llama_get_memory(self._pointer)
        if not self._memory or lib.llama_model_has_encoder(model.pointer):
            raise StartError("it is no model that goes on from a text")
        self._batch = _Batch(batch)
        self._in_pairs = model.is_whole and not gpu
        self._mate = texts
        """The text of the token that goes along."""

    def read(
        self, tokens: Sequence[int], places: Sequence[int], texts: Sequence[int], wanted: int
    ) -> Tensor:
        """Write tokens at the end of texts. The scores after the last `wanted` of them, (wanted,
        vocabulary), which the next call overwrites. Raises `Unavailable` when there is no room.

        `places`: where in its text each of them stands.
        """
        count = len(tokens)
        told = max(wanted, 2) if self._in_pairs else wanted
        alone = self._in_pairs and count == 1
        if alone:
            tokens, places, texts = [*tokens] * 2, [*places, 0], [*texts, self._mate]
        self._batch.fill(tokens, places, texts, told)
        failed = lib.llama_decode(self._pointer, self._batch.struct)
        if failed:
            raise _failure(failed)
        scores = lib.llama_get_logits(self._pointer)
        rows = torch.from_numpy(np.ctypeslib.as_array(scores, (told, self._vocabulary)))
        if alone:
            self.forget(self._mate)
            return rows[:1]
        return rows[-wanted:]

    def forget(self, text: int, start: int = 0) -> None:
        """What it remembers of a text from the token `start` on."""
        lib.llama_memory_seq_rm(self._memory, text, start, -1)

    def copy(self, text: int, to: int, length: int) -> None:
        """The beginning of a text as the beginning of another one; costs no memory."""
        lib.llama_memory_seq_cp(self._memory, text, to, 0, length)


class _Batch:
    """What llama.cpp reads, in arrays of our own."""

    def __init__(self, most: int) -> None:
        self._tokens = np.zeros(most, np.int32)
        self._places = np.zeros(most, np.int32)
        self._texts = np.zeros(most, np.int32)
        self._told = np.zeros(most, np.int8)
        self._ones = np.ones(most, np.int32)
        addresses = self._texts.ctypes.data + self._texts.itemsize * np.arange(most, dtype=np.uintp)
        self._addresses = addresses
        self.struct = lib.llama_batch(
            n_tokens=0,
            token=_pointer(self._tokens, ctypes.c_int32),
            embd=None,
            pos=_pointer(self._places, ctypes.c_int32),
            n_seq_id=_pointer(self._ones, ctypes.c_int32),
            seq_id=_pointer(self._addresses, ctypes.POINTER(ctypes.c_int32)),
            logits=_pointer(self._told, ctypes.c_int8),
        )

    def fill(
        self, tokens: Sequence[int], places: Sequence[int], texts: Sequence[int], told: int
    ) -> None:
        count = len(tokens)
        self._tokens[:count] = tokens
        self._places[:count] = places
        self._texts[:count] = texts
        self._told[:count] = 0
        self._told[count - told : count] = 1
        self.struct.n_tokens = count


def _pointer(array: Any, kind: Any) -> Any:
    return array.ctypes.data_as(ctypes.POINTER(kind))


def _free(context: Any, model: Model) -> None:
    """`model` is here so that it is freed later."""
    lib.llama_free(context)


def _failure(code: int) -> Exception:
    if code == 1:
        return no_room()
    return Internal(
        f"llama.cpp could not read a token, its code is {code}; the worker's log says why"
    )


def no_room() -> Unavailable:
    return Unavailable(
        "The model has no memory left for a text of this length; try again.",
        retry_after_s=RETRY_AFTER_S,
        code="out_of_memory",
    )


@lib.llama_log_callback  # type: ignore[untyped-decorator]
def _hear(level: int, text: bytes, _: object) -> None:
    if level == _ERROR:
        said = text.decode("utf-8", "replace").strip()
        _complaints.append(said)
        log.warning("llama.cpp complains", extra={"said": said})


def _complaint(otherwise: str) -> str:
    return " / ".join(_complaints) or otherwise
