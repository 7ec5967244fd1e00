"""Which of transformers' ways of reckoning attention a model uses."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from types import MappingProxyType
from typing import Any, Final

import torch
from transformers.utils.import_utils import (
    is_flash_attn_2_available,
    is_flash_attn_3_available,
    is_flash_attn_4_available,
)

from server.core.errors import StartError
from server.core.settings import ModelSettings

_FLASH: Final[Mapping[str, tuple[Callable[[], bool], str]]] = MappingProxyType(
    {
        "flash_attention_2": (lambda: is_flash_attn_2_available(), "flash-attn"),
        "flash_attention_3": (lambda: is_flash_attn_3_available(), "flash-attn-3"),
        "flash_attention_4": (lambda: is_flash_attn_4_available(), "flash-attn-4"),
    }
)
"""Whether its package is here, and what pip calls it. Where it is not, transformers would fetch a
stranger's code from the hub in its place."""


def attention(settings: ModelSettings, device: str) -> dict[str, Any]:
    """Arguments of `from_pretrained`. Raises `StartError` for what cannot be used here."""
    way = settings.attention
    if way is None:
        return {}
    if way in _FLASH:
        _check_here(settings, way, device)
    return {"attn_implementation": way}


def check_attention(settings: ModelSettings, model: Any) -> None:
    """Raises `StartError` for a `model` that was loaded and reckons otherwise than it should."""
    way, own = settings.attention, model.config.get_text_config()._attn_implementation
    if way is not None and own != way:
        raise StartError(
            f"model {settings.name!r}: attention: {way} is not what it uses, but {own}"
        )
    if way in _FLASH and model.dtype not in (torch.float16, torch.bfloat16):
        raise _wrong_dtype(settings, str(model.dtype).removeprefix("torch."))


def _check_here(settings: ModelSettings, way: str, device: str) -> None:
    is_here, package = _FLASH[way]
    if device != "cuda":
        raise StartError(
            f"model {settings.name!r}: attention: {way} needs a GPU, and the device is {device}; "
            "remove it, or say sdpa"
        )
    if not is_here():
        raise StartError(
            f"model {settings.name!r}: attention: {way} needs a package that is not here; "
            f"pip install {package}, or say sdpa"
        )
    if settings.dtype == "float32":
        raise _wrong_dtype(settings, settings.dtype)


def _wrong_dtype(settings: ModelSettings, dtype: str) -> StartError:
    return StartError(
        f"model {settings.name!r}: attention: {settings.attention} reckons in float16 or bfloat16, "
        f"and the model is loaded as {dtype}; say dtype: bfloat16"
    )
