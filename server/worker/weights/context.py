"""How far a model can read, and whether that is as far as the operator says."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from typing import Any, Final

import torch

from server.core.errors import StartError
from server.core.settings import ModelSettings

log = logging.getLogger(__name__)

NO_LIMIT: Final = 10**9
"""Tokenizers say something larger when they know no limit."""
_FALLBACK: Final = 2048


def context_of(model: Any, tokenizer: Any) -> int:
    config = model.config.get_text_config()
    length = getattr(config, "max_position_embeddings", None)
    if length is None and tokenizer.model_max_length < NO_LIMIT:
        length = tokenizer.model_max_length
    return int(length or _FALLBACK)


def check_context(settings: ModelSettings, config: Any, positions: int | None = None) -> None:
    """Raises `StartError` for a `context_length` beyond `config`, the text model's own or None.

    `positions`: how many it has, where that is known better (`positions_of`). A model whose
    positions are stretched may read further than it says, so this is only logged.
    """
    wanted = settings.context_length
    most = positions or getattr(config, "max_position_embeddings", None)
    if wanted is None or most is None or wanted <= most:
        return
    if not _stretched(config):
        raise StartError(
            f"model {settings.name!r}: context_length is {wanted}, but the model reads "
            f"{most} tokens at most (max_position_embeddings)"
        )
    log.warning(
        "context_length is beyond max_position_embeddings",
        extra={"model": settings.name, "context_length": wanted, "max_position_embeddings": most},
    )


def positions_of(model: Any) -> int | None:
    """Tokens that a `torch` model has positions for; None: that is not known.

    RoBERTa and its kin count theirs from behind the padding's, so they read fewer tokens than
    `max_position_embeddings` says, and fail at the first one that is too many.
    """
    for module in model.modules():
        table = getattr(module, "position_embeddings", None)
        padding = getattr(module, "padding_idx", None)
        if isinstance(table, torch.nn.Embedding) and isinstance(padding, int):
            return table.num_embeddings - padding - 1
    return None


def _stretched(config: Any) -> bool:
    """Whether its rotary positions are scaled; some models have a scale for each kind of layer."""
    rope = getattr(config, "rope_parameters", None)
    if not isinstance(rope, Mapping):
        return False
    kinds = [part for part in rope.values() if isinstance(part, Mapping)] or [rope]
    return any(kind.get("rope_type", "default") != "default" for kind in kinds)
