"""How likely tokens were, as the model saw it: before penalties, temperature and the like."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import lru_cache
from typing import Any

import torch
from torch import Tensor

from server.worker.asked import Likely, Scored


class Scorer:
    def __init__(self, bytes_of: Callable[[int], bytes]) -> None:
        """`bytes_of`: what a token adds to a text."""
        self._bytes_of = bytes_of

    @torch.inference_mode()
    def of(self, scores: Tensor, token: int, others: int) -> Scored:
        """`scores`: (vocabulary,); `others`: how many of the likeliest are told too."""
        (scored,) = self.of_many(scores[None], (token,), others)
        return scored

    @torch.inference_mode()
    def of_many(self, scores: Tensor, tokens: Sequence[int], others: int) -> list[Scored]:
        """Of each of `tokens` in turn. `scores`: (tokens or more, vocabulary)."""
        if not tokens:
            return []
        logs = scores[: len(tokens)].log_softmax(-1)
        chosen = logs.gather(1, torch.tensor(tokens, device=logs.device)[:, None])[:, 0].tolist()
        best = logs.topk(min(others, logs.shape[1]), -1)
        rows = zip(tokens, chosen, best.indices.tolist(), best.values.tolist(), strict=True)
        return [
            Scored(
                token,
                self._bytes_of(token),
                log,
                tuple(
                    Likely(one, self._bytes_of(one), value)
                    for one, value in zip(ids, values, strict=True)
                ),
            )
            for token, log, ids, values in rows
        ]


def bytes_by(tokenizer: Any) -> Callable[[int], bytes]:
    """What a token adds to a text. Tokenizers of transformers decode texts, not tokens: a part of a
    character has no text of its own, so it is read off the vocabulary, which is written in one of
    two ways."""
    specials = set(tokenizer.all_special_ids)
    by_bytes = "Ġ" in tokenizer.get_vocab()

    @lru_cache(maxsize=65536)
    def bytes_of(token: int) -> bytes:
        if token in specials:
            return b""
        said = tokenizer.convert_ids_to_tokens(token)
        if said is None:  # beyond the vocabulary: padding of the weights
            return b""
        if by_bytes:
            found = [_BYTES.get(char) for char in said]
            return said.encode() if None in found else bytes(b for b in found if b is not None)
        if len(said) == 6 and said.startswith("<0x") and said.endswith(">"):
            return bytes([int(said[3:5], 16)])
        return str(said).replace("▁", " ").encode()

    return bytes_of


def _byte_letters() -> dict[str, int]:
    """The letters that byte-level vocabularies (GPT-2's and its heirs') write bytes with: those
    that can be printed stand for themselves, the others follow from U+0100 on."""
    printed = [*range(0x21, 0x7F), *range(0xA1, 0xAD), *range(0xAE, 0x100)]
    others = [byte for byte in range(256) if byte not in printed]
    letters = {chr(byte): byte for byte in printed}
    return letters | {chr(0x100 + number): byte for number, byte in enumerate(others)}


_BYTES = _byte_letters()
