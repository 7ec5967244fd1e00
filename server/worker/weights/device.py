"""Which device a model runs on, and in which precision."""

from __future__ import annotations

import logging
from typing import Any

import torch

from server.core.errors import StartError
from server.core.memory.room import ram
from server.core.settings import ModelSettings

log = logging.getLogger(__name__)

_GPU_SHARE = 0.9
"""Of a GPU's memory, unless `memory_per_gpu` says otherwise."""


def pick_device(settings: ModelSettings) -> str:
    """`cpu`, `cuda` or `mps`. Raises `StartError` for one that is not here."""
    there = {
        "cuda": torch.cuda.is_available(),
        "mps": torch.backends.mps.is_available(),
        "cpu": True,
    }
    if settings.device == "auto":
        return next(device for device, usable in there.items() if usable)
    if not there.get(settings.device, False):
        usable = ", ".join(device for device, usable in there.items() if usable)
        raise StartError(
            f"model {settings.name!r}: device {settings.device!r} is not here; there is: {usable}"
        )
    return settings.device


def pick_dtype(settings: ModelSettings, device: str) -> Any:
    """`"auto"`, the model's own, or a `torch.dtype`; on a CPU float32 is fastest nearly always."""
    if settings.dtype != "auto":
        return getattr(torch, settings.dtype)
    return torch.float32 if device == "cpu" else "auto"


def placement(settings: ModelSettings, device: str) -> dict[str, Any]:
    """Arguments of `from_pretrained` that put the weights where they belong."""
    if device != "cuda":
        return {"device_map": {"": device}}
    gpus = visible_gpus(settings)
    if len(gpus) == 1 and settings.memory_per_gpu is None:
        return {"device_map": {"": gpus[0]}}
    return {"device_map": "auto", "max_memory": {gpu: _memory(settings, gpu) for gpu in gpus}}


def one_device(settings: ModelSettings, device: str) -> str:
    """The one device of a model that cannot be split: of several GPUs, the first.

    Raises `StartError` for `memory_per_gpu`, which such a model cannot keep to.
    """
    if settings.memory_per_gpu is not None:
        raise StartError(
            f"model {settings.name!r}: memory_per_gpu has no effect on the engine "
            f"{settings.engine!r}, which takes what it needs; remove it"
        )
    if device != "cuda":
        return device
    gpus = visible_gpus(settings)
    if len(settings.gpus) > 1:
        log.warning(
            "a model that cannot be split uses the first of its GPUs",
            extra={"model": settings.name, "gpu": settings.gpus[0], "gpus": list(settings.gpus)},
        )
    return f"cuda:{gpus[0]}"


def visible_gpus(settings: ModelSettings) -> list[int]:
    """Numbers as torch counts them: the launcher hides the other GPUs, which renumbers the rest.

    Raises `StartError` for a GPU that is not here.
    """
    count = torch.cuda.device_count()
    if not settings.gpus or len(settings.gpus) == count:
        return list(range(count))
    missing = [gpu for gpu in settings.gpus if gpu >= count]
    if missing:
        raise StartError(f"model {settings.name!r}: there is no GPU {missing[0]}; {count} are here")
    return list(settings.gpus)


def _memory(settings: ModelSettings, gpu: int) -> str | int:
    if settings.memory_per_gpu is not None:
        return settings.memory_per_gpu
    return int(torch.cuda.get_device_properties(gpu).total_memory * _GPU_SHARE)


def free_bytes(device: torch.device) -> int:
    """Of memory, where a model on `device` remembers what it has read."""
    if device.type == "cuda":
        return int(torch.cuda.mem_get_info(device)[0])
    return ram().free
