"""The rows of a batch: what the model remembers of each text, side by side.

All texts end at the same column, and what stands in front of a shorter one is masked, as in a batch
of `generate` that is padded on the left. A row joins by being copied in, at its own length, and
leaves by being overwritten; nobody else is read again.
"""

from __future__ import annotations

from collections.abc import Sequence
from inspect import signature
from math import inf
from typing import Any, Final

import torch
from torch import Tensor
from transformers.cache_utils import Cache, DynamicCache, DynamicLayer

from server.core.errors import Unavailable
from server.core.limits import RETRY_AFTER_S

Memory = Sequence[tuple[Tensor, Tensor]]
"""Keys and values of one text for each layer, (1, heads, tokens, size)."""

_COLUMNS: Final = 256
"""Room grows by so many tokens at a time."""
_ROWS: Final = 4


class _Columns(DynamicLayer):  # type: ignore[no-untyped-call]
    """One layer. What is new is written behind what is there, without copying that."""

    def __init__(self, batch: Batch, memory: tuple[Tensor, Tensor]) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self._batch = batch
        self.sides = [self._room(side, 0, 0) for side in memory]
        self.is_initialized = True

    def update(
        self, key_states: Tensor, value_states: Tensor, *args: Any, **kwargs: Any
    ) -> tuple[Tensor, Tensor]:
        rows, width = len(key_states), self._batch.width
        end = width + key_states.shape[2]
        keys, values = self.sides
        keys[:rows, :, width:end] = key_states
        values[:rows, :, width:end] = value_states
        return keys[:rows, :, :end], values[:rows, :, :end]

    def get_seq_length(self) -> int:
        return self._batch.width

    def get_mask_sizes(self, query_length: int) -> tuple[int, int]:
        return self._batch.width + query_length, 0

    def grow(self, rows: int, columns: int) -> None:
        for number, side in enumerate(self.sides):
            larger = self._room(side, rows, columns)
            larger[: side.shape[0], :, : side.shape[2]] = side
            self.sides[number] = larger

    def shift(self, rows: int, start: int, to: int, size: int) -> None:
        for side in self.sides:
            side[:rows, :, to : to + size] = side[:rows, :, start : start + size].clone()

    @staticmethod
    def _room(like: Tensor, rows: int, columns: int) -> Tensor:
        return like.new_zeros((rows, like.shape[1], columns, like.shape[3]))


class Batch:
    """`width`: columns in use. `starts`: where the text of each row begins."""

    def __init__(self, model: Any, most_bytes: float = inf) -> None:
        """`most_bytes`: of what is remembered of all texts together."""
        self._model = model
        self._most_bytes = most_bytes
        self._device = model.device
        self._layers: list[_Columns] = []
        self._cache: Any = None
        self._has_positions = "position_ids" in signature(model.forward).parameters
        # A mask that is ready to be used saves the model making one, for each token.
        self._takes_masks = model.config.get_text_config()._attn_implementation == "sdpa"
        self._room = (0, 0)
        self.width = 0
        self.starts: list[int] = []

    @torch.inference_mode()
    def add(self, memory: Memory) -> None:
        """A text, as the last row. Raises `Unavailable` when there is no room for it."""
        length = memory[0][0].shape[2]
        columns = max(length, self.width if self.starts else 0) + 1
        if (len(self.starts) + 1) * columns * _bytes_per_token(memory) > self._most_bytes:
            raise Unavailable(
                "The model has no memory left for a text of this length; try again.",
                retry_after_s=RETRY_AFTER_S,
                code="out_of_memory",
            )
        if not self._layers:
            self._layers = [_Columns(self, sides) for sides in memory]
            self._cache = Cache(layers=self._layers)  # type: ignore[arg-type]
        if not self.starts:
            self.width = length
        self._make_room(len(self.starts) + 1, columns)
        if length > self.width:
            self._move(length - self.width)
        start = self.width - length
        for layer, sides in zip(self._layers, memory, strict=True):
            for side, own in zip(layer.sides, sides, strict=True):
                side[len(self.starts), :, start : self.width] = own[0]
        self.starts.append(start)

    @torch.inference_mode()
    def memory_of(self, row: int) -> list[tuple[Tensor, Tensor]]:
        """A copy of what is remembered of one text."""
        return [(keys.clone(), values.clone()) for keys, values in self.first_of(row)]

    def first_of(self, row: int, tokens: int | None = None) -> list[tuple[Tensor, Tensor]]:
        """What is remembered of the first tokens of a text; only until the next step."""
        start = self.starts[row]
        end = self.width if tokens is None else start + tokens
        return [
            (keys[row : row + 1, :, start:end], values[row : row + 1, :, start:end])
            for keys, values in (layer.sides for layer in self._layers)
        ]

    @torch.inference_mode()
    def remove(self, row: int) -> None:
        """The last row takes its place."""
        last = len(self.starts) - 1
        if row != last:
            for layer in self._layers:
                for side in layer.sides:
                    side[row, :, : self.width] = side[last, :, : self.width]
            self.starts[row] = self.starts[last]
        self.starts.pop()
        unused = min(self.starts, default=0)
        if unused > max(_COLUMNS, self.width // 2):
            self._move(-unused)

    @torch.inference_mode()
    def step(self, tokens: Sequence[int]) -> Tensor:
        """Write a token behind each text. The scores of the next ones, (rows, vocabulary)."""
        rows, width = len(tokens), self.width
        self._make_room(rows, width + 1)
        more: dict[str, Any] = {}
        starts = torch.tensor(self.starts, device=self._device)
        if any(self.starts):
            mask = torch.arange(width + 1, device=self._device) >= starts[:, None]
            more["attention_mask"] = mask[:, None, None] if self._takes_masks else mask.long()
        if self._has_positions:
            more["position_ids"] = width - starts[:, None]
        ids = torch.tensor(tokens, device=self._device)[:, None]
        out = self._model(
            input_ids=ids, past_key_values=self._cache, use_cache=True, logits_to_keep=1, **more
        )
        self.width += 1
        scores: Tensor = out.logits[:, -1].float()
        return scores

    def _make_room(self, rows: int, columns: int) -> None:
        had_rows, had_columns = self._room
        if rows <= had_rows and columns <= had_columns:
            return
        if rows > had_rows:
            had_rows = max(rows, 2 * had_rows, _ROWS)
        if columns > had_columns:
            had_columns = -(-(columns + columns // 4) // _COLUMNS) * _COLUMNS
        self._room = (had_rows, had_columns)
        for layer in self._layers:
            layer.grow(had_rows, had_columns)

    def _move(self, by: int) -> None:
        """All texts, so many columns to the right."""
        start, to = (0, by) if by > 0 else (-by, 0)
        for layer in self._layers:
            layer.shift(len(self.starts), start, to, self.width - start)
        self.width += by
        self.starts = [start + by for start in self.starts]


def cache_of(memory: Memory) -> DynamicCache:
    """A copy of `memory` that the model can go on with."""
    cache = DynamicCache()
    for layer, (keys, values) in enumerate(memory):
        cache.update(keys.clone(), values.clone(), layer)
    return cache


def memory_of(cache: Any) -> list[tuple[Tensor, Tensor]]:
    return [(layer.keys, layer.values) for layer in cache.layers]


def _bytes_per_token(memory: Memory) -> int:
    sides = [side for sides in memory for side in sides]
    return sum(side.shape[1] * side.shape[3] * side.itemsize for side in sides)
