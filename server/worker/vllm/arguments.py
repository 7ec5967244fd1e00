"""Our settings of a model as vLLM's arguments, and its surroundings."""

from __future__ import annotations

import logging
import os
from collections.abc import Mapping
from dataclasses import fields
from pathlib import Path
from typing import Any, Final

import torch
from vllm.engine.arg_utils import AsyncEngineArgs
from vllm.platforms import current_platform

from server.core.errors import StartError
from server.core.memory.need import cache_bytes
from server.core.memory.room import ram
from server.core.memory.sizes import bytes_of, in_words
from server.core.settings import ModelSettings
from server.wire.openai import MAX_CHOICES, MAX_TOP_LOGPROBS
from server.worker.vllm.bound import Bound

MEMORY_SHARE: Final = 0.6
"""Of the memory that is free on a CPU, for what is remembered."""
_BLOCKS: Final = 4096
"""Tokens that there is room for at least: memory is handed out in blocks, to each text its own."""
_QUIET: Final = {
    "VLLM_NO_USAGE_STATS": "1",  # it would tell its makers what runs here
    "VLLM_CONFIGURE_LOGGING": "0",  # its processes write warnings alone
    "VLLM_WORKER_MULTIPROC_METHOD": "spawn",  # our process has threads, which do not survive a fork
}


def settle(settings: ModelSettings) -> None:
    """For the processes that vLLM starts, which are told of this in no other way; what the
    operator has set already stands."""
    threads = settings.threads or torch.get_num_threads()
    # Bound to cores, two workers of a machine would take the same ones.
    cores = {"VLLM_CPU_OMP_THREADS_BIND": "nobind", "OMP_NUM_THREADS": str(threads)}
    for name, value in {**_QUIET, **cores}.items():
        os.environ.setdefault(name, value)
    own = logging.getLogger("vllm")  # its lines go where ours do
    own.handlers.clear()
    own.propagate = True
    own.setLevel(logging.WARNING)


def device_of(settings: ModelSettings) -> str:
    """`cuda` or `cpu`: vLLM is built for one of them. Raises `StartError` for another."""
    there = "cuda" if current_platform.is_cuda_alike() else str(current_platform.device_type)
    if settings.device not in ("auto", there):
        raise StartError(
            f"model {settings.name!r}: device {settings.device!r} is not here: this vLLM was "
            f"built for {there}"
        )
    return there


def arguments_of(settings: ModelSettings, folder: Path, device: str) -> AsyncEngineArgs:
    """Raises `StartError` for what vLLM has no argument for."""
    ours: dict[str, Any] = {
        "model": str(folder),
        "trust_remote_code": settings.trust_remote_code,
        "load_format": "safetensors",  # never a pickle, which can run code
        "dtype": _dtype(settings, device),
        "max_model_len": settings.context_length,
        "max_num_seqs": max(settings.slots, MAX_CHOICES),
        "max_logprobs": MAX_TOP_LOGPROBS,
        "generation_config": "vllm",  # what the authors recommend is known here
        "scheduling_policy": "priority",
        "structured_outputs_config": {"backend": "guidance"},
        "worker_extension_cls": f"{Bound.__module__}.{Bound.__qualname__}",
        "disable_log_stats": True,
        **(_on_cpu(settings, folder) if device == "cpu" else _on_gpus(settings)),
    }
    more = _options(settings, ours)
    try:
        return AsyncEngineArgs(**{**ours, **more})
    except (TypeError, ValueError) as error:
        raise StartError(f"model {settings.name!r}: vLLM does not take this: {error}") from error


def _dtype(settings: ModelSettings, device: str) -> str:
    """On a CPU float32, unless told otherwise: as everywhere else."""
    return "float32" if device == "cpu" and settings.dtype == "auto" else settings.dtype


def _on_cpu(settings: ModelSettings, folder: Path) -> dict[str, Any]:
    """Left alone vLLM takes 0.9 of the machine. Raises `StartError`."""
    if settings.memory_per_gpu is not None:
        raise StartError(
            f"model {settings.name!r}: memory_per_gpu has no effect without GPUs; say "
            "options.kv_cache_memory_bytes instead"
        )
    wanted = cache_bytes(settings, folder, "cpu", _BLOCKS)
    most = int(MEMORY_SHARE * ram().free)
    return {"kv_cache_memory_bytes": min(wanted, most)}


def _on_gpus(settings: ModelSettings) -> dict[str, Any]:
    """Raises `StartError`."""
    found: dict[str, Any] = {"tensor_parallel_size": max(1, len(settings.gpus))}
    if settings.memory_per_gpu is not None:
        whole = current_platform.get_device_total_memory()
        wanted = bytes_of(settings.memory_per_gpu)
        if wanted > whole:
            raise StartError(
                f"model {settings.name!r}: memory_per_gpu is {settings.memory_per_gpu}, but the "
                f"GPU has {in_words(whole)}"
            )
        found["gpu_memory_utilization"] = wanted / whole
    return found


_SETTABLE: Final = frozenset(
    {"tensor_parallel_size", "kv_cache_memory_bytes", "max_num_seqs", "load_format"}
)
"""Of our own arguments, those that `options` may say otherwise."""


def _options(settings: ModelSettings, ours: Mapping[str, Any]) -> dict[str, Any]:
    known = {field.name for field in fields(AsyncEngineArgs)}
    for name in settings.options:
        if name not in known:
            raise StartError(f"model {settings.name!r}: vLLM has no argument {name!r} for options")
        if name in ours and name not in _SETTABLE:
            raise StartError(
                f"model {settings.name!r}: options.{name} has no effect: Shortline sees to it"
            )
    return dict(settings.options)
