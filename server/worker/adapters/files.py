"""Whether a folder holds a LoRA adapter that can be one of several over one model.

Told before any library is imported and any weight is read.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any, Final

from server.core.errors import StartError
from server.core.settings import ModelSettings

CONFIG: Final = "adapter_config.json"
WEIGHTS: Final = "adapter_model.safetensors"
_PICKLES: Final = ("*.bin", "*.pt", "*.pth", "*.ckpt")
_NOT_BESIDE_OTHERS: Final = {
    "modules_to_save": "replaces whole layers of the model",
    "trainable_token_indices": "replaces embeddings of the model",
    "layer_replication": "repeats layers of the model",
    "target_parameters": "changes parameters that no layer of its own reads",
    "megatron_config": "is made for Megatron",
    "use_dora": "is a DoRA, which scales the model's own weights",
    "use_qalora": "is a QA-LoRA",
    "use_bdlora": "is a BD-LoRA",
    "velora_config": "is a VeLoRA",
    "arrow_config": "is a router of adapters",
    "kasa_config": "cuts the model's own weights",
    "monteclora_config": "is random",
    "alora_invocation_tokens": "is an aLoRA, which begins in the middle of a text",
    "lora_bias": "has biases",
}
"""Settings of `peft` that, when they say anything, ask for more than a product beside a layer."""
_OWN_START: Final = (True, False, "gaussian", "eva", "orthogonal")
"""Of `init_lora_weights`; the others change the model's own weights first."""


class BadAdapter(StartError):
    """Of a model; its name and the adapter's are in front."""

    def __init__(self, model: str, adapter: str, why: str) -> None:
        super().__init__(f"model {model!r}: the adapter {adapter!r} {why}")


def check_adapters(settings: ModelSettings) -> None:
    """Raises `StartError` for the first that cannot be used with any model."""
    for name, folder in settings.adapters.items():
        why = _fault(Path(folder).expanduser())
        if why:
            raise BadAdapter(settings.name, name, why)


def own_template(folder: Path) -> str:
    """The chat template that an adapter brings, empty: none."""
    try:
        return (folder / "chat_template.jinja").read_text("utf-8")
    except FileNotFoundError:
        pass
    try:
        said = json.loads((folder / "tokenizer_config.json").read_bytes())
    except (FileNotFoundError, ValueError):
        return ""
    template = said.get("chat_template") if isinstance(said, dict) else None
    return template if isinstance(template, str) else ""


def _fault(folder: Path) -> str:
    """What is wrong with it, empty: nothing."""
    if not folder.is_dir():
        return f"has no folder {folder}"
    if not (folder / CONFIG).is_file():
        return f"has no {CONFIG} in {folder}"
    if not (folder / WEIGHTS).is_file():
        pickles = sorted(file.name for kind in _PICKLES for file in folder.glob(kind))
        if pickles:
            return (
                f"has its weights only as a pickle ({folder / pickles[0]}), which can run code and "
                "is not loaded; convert it to safetensors"
            )
        return f"has no {WEIGHTS} in {folder}"
    try:
        config = json.loads((folder / CONFIG).read_bytes())
    except ValueError as error:
        return f"has a {CONFIG} that is no JSON, in {folder}: {error}"
    return _fault_of(config) if isinstance(config, dict) else f"has no settings in its {CONFIG}"


def _fault_of(config: dict[str, Any]) -> str:
    kind = config.get("peft_type")
    if kind != "LORA":
        return f"is of the kind {kind}; only LORA can be used"
    for field, what in _NOT_BESIDE_OTHERS.items():
        if config.get(field):
            return f"{what} ({CONFIG}: {field}), so it cannot share the model with others"
    if config.get("bias", "none") != "none":
        return f"changes the model's biases ({CONFIG}: bias), so it cannot share it with others"
    start = config.get("init_lora_weights", True)
    if start not in _OWN_START:
        return (
            f"was trained over changed weights ({CONFIG}: init_lora_weights is {start}); convert "
            "it to a plain LoRA, which peft does when it saves one"
        )
    return ""
