"""LoRA adapters of random numbers over the tiny model, as `peft` saves them."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import torch
from peft import LoraConfig, PeftModel, get_peft_model
from transformers import AutoModelForCausalLM


def make_tiny_lora(folder: Path, base: Path, *, seed: int = 1, **config: Any) -> Path:
    """Always the same one for the same `seed`; it says something else than `base`."""
    torch.manual_seed(seed)
    model: Any = AutoModelForCausalLM.from_pretrained(base)
    settings: dict[str, Any] = {"r": 4, "lora_alpha": 8, "target_modules": "all-linear"} | config
    tuned = get_peft_model(model, LoraConfig(task_type="CAUSAL_LM", **settings))
    for name, weight in tuned.named_parameters():
        if "lora_B" in name:  # they are zero before training
            torch.nn.init.normal_(weight, std=0.3)
    tuned.save_pretrained(str(folder))
    return folder


def said_by_peft(base: Path, adapter: Path, ids: tuple[int, ...], count: int) -> list[int]:
    """The likeliest tokens after `ids`, by `peft` and `generate`."""
    model: Any = AutoModelForCausalLM.from_pretrained(base)
    tuned: Any = PeftModel.from_pretrained(model, str(adapter)).eval()
    made = tuned.generate(
        input_ids=torch.tensor([ids]), max_new_tokens=count, do_sample=False, pad_token_id=0
    )
    return [int(token) for token in made[0, len(ids) :]]
