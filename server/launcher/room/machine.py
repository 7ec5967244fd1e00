"""What this machine has for models: RAM, and its GPUs, as `nvidia-smi` tells of them.

A model's own worker asks torch, which knows best; here no model library is loaded.
"""

from __future__ import annotations

import platform
import re
import shutil
import subprocess
import sys
from collections.abc import Sequence
from importlib import metadata
from importlib.util import find_spec
from pathlib import Path
from typing import Final

from server.core.memory.need import GGUF, WITHOUT_TEXTS
from server.core.memory.room import Room, ram
from server.core.memory.sizes import bytes_of
from server.core.settings import ModelSettings

GPU_QUERY_S: Final = 10.0
_QUERY: Final = ("--query-gpu=memory.free,memory.total", "--format=csv,noheader,nounits")


def gpus() -> list[Room]:
    """By their numbers; blocks for as long as the driver does. None where it cannot be asked."""
    program = shutil.which("nvidia-smi")
    if program is None:
        return []
    try:
        answer = subprocess.run(
            [program, *_QUERY], capture_output=True, text=True, timeout=GPU_QUERY_S, check=True
        )
    except (OSError, subprocess.SubprocessError):
        return []
    found = re.findall(r"^(\d+), (\d+)$", answer.stdout, re.MULTILINE)
    return [Room(int(free) * 2**20, int(total) * 2**20) for free, total in found]


def device_of(model: ModelSettings, there: Sequence[Room]) -> str:
    """As its worker will choose it (`worker/weights/device.py`). `there`: the GPUs."""
    if model.device != "auto":
        return model.device
    if model.engine == GGUF and not _llama_has_cuda():
        return "cpu" if sys.platform != "darwin" else "mps"
    if there and (model.engine == GGUF or not _torch_version().endswith("+cpu")):
        return "cuda"
    return "mps" if (sys.platform, platform.machine()) == ("darwin", "arm64") else "cpu"


def room_for(model: ModelSettings, device: str, there: Sequence[Room]) -> Room:
    """Where `model` would be loaded."""
    if device != "cuda":
        return ram()
    mine = [there[gpu] for gpu in gpus_of(model, len(there))]
    if model.memory_per_gpu is not None:
        most = bytes_of(model.memory_per_gpu)
        mine = [Room(min(most, gpu.free), min(most, gpu.total)) for gpu in mine]
    return Room(sum(gpu.free for gpu in mine), sum(gpu.total for gpu in mine))


def gpus_of(model: ModelSettings, count: int) -> list[int]:
    """The numbers of those that it may use, of `count` that there are."""
    named = [gpu for gpu in model.gpus if gpu < count] if model.gpus else list(range(count))
    return named[:1] if model.engine in WITHOUT_TEXTS else named


def _llama_has_cuda() -> bool:
    """Whether llama.cpp was built for NVIDIA's GPUs; nothing of it is loaded."""
    spec = find_spec("llama_cpp")
    if spec is None or spec.origin is None:
        return False
    return any(Path(spec.origin).parent.glob("lib/*ggml-cuda*"))


def _torch_version() -> str:
    try:
        return metadata.version("torch")
    except metadata.PackageNotFoundError:
        return "+cpu"
