"""Whether a model fits, asked before anything of it is loaded."""

from __future__ import annotations

from pathlib import Path

import torch

from server.core.errors import StartError
from server.core.memory.need import need_of
from server.core.memory.refusal import place as placed
from server.core.memory.refusal import refusal
from server.core.memory.room import ram
from server.core.memory.sizes import bytes_of
from server.core.settings import ModelSettings
from server.worker.weights.device import visible_gpus


def check_room(settings: ModelSettings, place: Path, device: str, *, splits: bool = True) -> None:
    """`place`: its folder or file; `splits`: it may lie on several GPUs. Raises `StartError` for
    what cannot fit."""
    kind = device.partition(":")[0]
    free = _free_on_gpus(settings, splits=splits) if kind == "cuda" else ram().free
    need = need_of(settings, place, kind, free)
    if need is None:
        return
    if need.total > free:
        raise StartError(refusal(settings.name, need, free, placed(kind)))


def _free_on_gpus(settings: ModelSettings, *, splits: bool) -> int:
    gpus = visible_gpus(settings)
    free = [int(torch.cuda.mem_get_info(gpu)[0]) for gpu in (gpus if splits else gpus[:1])]
    if settings.memory_per_gpu is not None:
        free = [min(bytes_of(settings.memory_per_gpu), one) for one in free]
    return sum(free)
