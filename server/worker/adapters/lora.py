"""Adapters as `peft` saves them, fitted to a model.

`peft` says which layers an adapter is for, and by how much it is scaled: that takes patterns, ranks
of single layers and more. Its own layers stand in the model no longer than that takes.
"""

from __future__ import annotations

import logging
import warnings
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import torch
from peft import LoraConfig, LoraModel
from peft.tuners.lora import LoraLayer
from safetensors import safe_open

from server.core.settings import ModelSettings
from server.worker.adapters.files import CONFIG, WEIGHTS, BadAdapter
from server.worker.adapters.rows import Pair
from server.worker.weights.files import reason

log = logging.getLogger(__name__)

_IN_FILES = "base_model.model."
"""In front of each layer's path."""
_PART = "part"


def read_adapters(settings: ModelSettings, model: Any) -> dict[str, dict[str, Pair]]:
    """All that `settings` names: what each adds to which layer of `model`. Raises `StartError`
    naming the one that does not fit."""
    found = {}
    for name, place in settings.adapters.items():
        folder = Path(place).expanduser()
        try:
            found[name] = _read(settings, name, folder, model)
        except BadAdapter:
            raise
        except Exception as error:  # files of strangers fail in strange ways
            raise BadAdapter(
                settings.name, name, f"in {folder} does not fit the model: {reason(error)}"
            ) from error
    return found


def _read(settings: ModelSettings, name: str, folder: Path, model: Any) -> dict[str, Pair]:
    config = LoraConfig.from_pretrained(str(folder))
    _compare_names(settings, name, config.base_model_name_or_path or "")
    config.init_lora_weights = True
    with _fitted(model, config) as layers, safe_open(folder / WEIGHTS, "pt") as file:
        there = {key: tuple(file.get_slice(key).get_shape()) for key in _own(file, model)}
        why = _difference(_shapes(layers), there)
        if why:
            raise BadAdapter(settings.name, name, f"in {folder} does not fit: {why}")
        pairs = {path: _pair(layer, path, file, model.dtype) for path, layer in layers.items()}
    for path, pair in pairs.items():
        if not (torch.isfinite(pair.down).all() and torch.isfinite(pair.up).all()):
            raise BadAdapter(settings.name, name, f"is broken: {path} has what is not a number")
    return pairs


@contextmanager
def _fitted(model: Any, config: LoraConfig) -> Iterator[dict[str, LoraLayer]]:
    """The layers of `model` that it is for, by their paths; without weights of their own."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        tuner = LoraModel(model, config, _PART, low_cpu_mem_usage=True)
    try:
        yield {path: layer for path, layer in model.named_modules() if isinstance(layer, LoraLayer)}
    finally:
        tuner.unload()


def _own(file: Any, model: Any) -> Iterator[str]:
    """What an adapter adds. Beside one for the last layer `peft` saves that layer as well."""
    weights = dict(model.named_parameters(remove_duplicate=False))
    for key in file.keys():  # noqa: SIM118 - it is no mapping
        known = weights.get(key.removeprefix(_IN_FILES))
        if known is None or not torch.equal(file.get_tensor(key).to(known), known):
            yield key


def _shapes(layers: Mapping[str, LoraLayer]) -> dict[str, tuple[int, ...]]:
    shapes = {}
    for path, layer in layers.items():
        if _PART not in layer.lora_A or type(layer.lora_A[_PART]) is not torch.nn.Linear:
            raise ValueError(f"{path} is no linear layer")
        if ".experts." in path:  # they read tokens of all rows, one after another
            raise ValueError(f"{path} does not know whose row it reads")
        for key, side in zip(_keys(path), (layer.lora_A, layer.lora_B), strict=True):
            matrix: Any = side[_PART]
            shapes[key] = tuple(matrix.weight.shape)
    return shapes


def _keys(path: str) -> tuple[str, str]:
    """Of a layer's two matrices in the file."""
    return f"{_IN_FILES}{path}.lora_A.weight", f"{_IN_FILES}{path}.lora_B.weight"


def _difference(wanted: Mapping[str, tuple[int, ...]], there: Mapping[str, tuple[int, ...]]) -> str:
    """Empty: there is none."""
    for key, shape in wanted.items():
        if key not in there:
            return f"{WEIGHTS} has no {key}, which {CONFIG} promises for this model"
        if there[key] != shape:
            return (
                f"{key} is {_times(there[key])}, but {_times(shape)} by {CONFIG} and this model; "
                "is it made for another one?"
            )
    more = sorted(set(there) - set(wanted))
    if more:
        return f"{WEIGHTS} has {more[0]}, which this model has no layer for by {CONFIG}"
    return ""


def _times(shape: tuple[int, ...]) -> str:
    return " x ".join(map(str, shape))


def _pair(layer: LoraLayer, path: str, file: Any, dtype: torch.dtype) -> Pair:
    """Where the layer is, and in the model's precision: a quantised layer has none of its own."""
    down, up = (file.get_tensor(key) for key in _keys(path))
    base = layer.get_base_layer()
    device = next(part for part in (*base.parameters(), *base.buffers())).device
    scaled = up.float() * layer.scaling[_PART]
    return Pair(down.to(device, dtype), scaled.to(device, dtype))


def _compare_names(settings: ModelSettings, adapter: str, made_for: str) -> None:
    """The same model has many names, so that they differ is only logged."""
    if made_for and _last(made_for) != _last(settings.path):
        log.warning(
            "an adapter says that it is made for another model",
            extra={"model": settings.name, "adapter": adapter, "made_for": made_for},
        )


def _last(path: str) -> str:
    return path.rstrip("/").rsplit("/", 1)[-1].rsplit(":", 1)[-1]
