"""Weights of four or eight bits: made while loading, or found in the files."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from importlib.util import find_spec
from pathlib import Path
from types import MappingProxyType
from typing import Any, Final

import torch
from transformers import BitsAndBytesConfig

from server.core.errors import StartError
from server.core.memory.need import read_config
from server.core.memory.quantised import method_in
from server.core.settings import ModelSettings
from server.worker.weights.device import pick_dtype

_PACKAGES: Final[Mapping[str, tuple[tuple[str, str], ...]]] = MappingProxyType(
    {
        "bitsandbytes": (("bitsandbytes", "shortline[quantized]"),),
        "compressed-tensors": (("compressed_tensors", "shortline[quantized]"),),
        "gptq": (("optimum", "optimum"), ("gptqmodel", "gptqmodel")),
        "awq": (("gptqmodel", "gptqmodel"),),
        "auto-round": (("auto_round", "auto-round"),),
        "torchao": (("torchao", "torchao"),),
        "quanto": (("optimum.quanto", "optimum-quanto"),),
        "hqq": (("hqq", "hqq"),),
        "aqlm": (("aqlm", "aqlm[cpu,gpu]"),),
    }
)
"""What each way of quantising needs beside transformers: a module, and what pip calls it."""
_GPU_ONLY: Final = ("eetq", "fbgemm_fp8", "fp_quant", "higgs", "spqr")


def quantisation(settings: ModelSettings, folder: Path, device: str) -> dict[str, Any]:
    """Arguments of `from_pretrained`. Raises `StartError` for what is missing here."""
    method = method_in(read_config(folder))
    if settings.quantization is None:
        if method:
            _check_here(settings.name, method, f"its weights are quantised ({method})", device)
        return {}
    if method:
        raise StartError(
            f"model {settings.name!r}: its weights are quantised already ({method}); remove "
            f"quantization: {settings.quantization}"
        )
    _check_here(settings.name, "bitsandbytes", f"quantization: {settings.quantization}", device)
    # It tells of each layer in each step that it takes 16 bits for the product.
    logging.getLogger("bitsandbytes").setLevel(logging.ERROR)
    if settings.quantization == "bitsandbytes-8bit":
        bits: dict[str, Any] = {"load_in_8bit": True}
    else:
        bits = {
            "load_in_4bit": True,
            "bnb_4bit_quant_type": "nf4",  # its authors recommend it; the default is another one
            "bnb_4bit_compute_dtype": _compute_dtype(settings, device),
        }
    config = BitsAndBytesConfig(**bits)  # type: ignore[no-untyped-call]
    return {"quantization_config": config}


def _check_here(model: str, method: str, why: str, device: str) -> None:
    if method in _GPU_ONLY and device != "cuda":
        raise StartError(f"model {model!r}: {why}, which needs a GPU, and the device is {device}")
    missing = [pip for module, pip in _PACKAGES.get(method, ()) if not _is_there(module)]
    if missing:
        names = " ".join(f"'{pip}'" for pip in dict.fromkeys(missing))
        raise StartError(
            f"model {model!r}: {why}, which needs a package that is not here; pip install {names}"
        )


def _is_there(module: str) -> bool:
    try:
        return find_spec(module) is not None
    except ModuleNotFoundError:  # the package that it would be in
        return False


def _compute_dtype(settings: ModelSettings, device: str) -> torch.dtype:
    """In which four bits are multiplied; the library's own choice is slow on a GPU."""
    wanted = pick_dtype(settings, device)
    if isinstance(wanted, torch.dtype):
        return wanted
    return torch.bfloat16 if torch.cuda.is_bf16_supported() else torch.float16
