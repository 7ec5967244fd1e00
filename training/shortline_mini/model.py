"""The model: a small Llama, and how it is written to a folder."""

from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import torch
from torch import Tensor
from torch.nn.functional import cross_entropy
from transformers import GenerationConfig, LlamaConfig, LlamaForCausalLM, PreTrainedTokenizerFast

from training.shortline_mini.batches import IGNORED, Batch
from training.shortline_mini.tokenizer import CONTEXT_TOKENS, VOCABULARY


def create_model(tokenizer: PreTrainedTokenizerFast) -> LlamaForCausalLM:
    config = LlamaConfig(
        vocab_size=VOCABULARY,
        hidden_size=192,
        intermediate_size=512,
        num_hidden_layers=4,
        num_attention_heads=6,
        num_key_value_heads=6,
        max_position_embeddings=CONTEXT_TOKENS,
        tie_word_embeddings=True,
        bos_token_id=tokenizer.bos_token_id,
        eos_token_id=tokenizer.eos_token_id,
        pad_token_id=tokenizer.pad_token_id,
    )
    return LlamaForCausalLM(config)


def answer_loss(model: LlamaForCausalLM, batch: Batch) -> Tensor:
    """The weighted cross entropy of the tokens of answers; logits are made for these alone."""
    hidden = model.model(input_ids=batch.tokens, use_cache=False).last_hidden_state
    labels = batch.labels[:, 1:]
    learnt = labels != IGNORED
    weights = batch.weights[:, 1:][learnt]
    losses = cross_entropy(model.lm_head(hidden[:, :-1][learnt]), labels[learnt], reduction="none")
    return (losses * weights).sum() / weights.sum()


def save_model(model: LlamaForCausalLM, tokenizer: PreTrainedTokenizerFast, folder: Path) -> None:
    """Write a float16 copy, file by file in one step each, so that readers see whole files."""
    copy: Any = LlamaForCausalLM(model.config)
    copy.load_state_dict(model.state_dict())
    copy.generation_config = GenerationConfig(  # type: ignore[no-untyped-call]
        do_sample=True,
        temperature=0.3,
        bos_token_id=tokenizer.bos_token_id,
        eos_token_id=tokenizer.eos_token_id,
        pad_token_id=tokenizer.pad_token_id,
    )
    folder.mkdir(parents=True, exist_ok=True)
    with TemporaryDirectory(dir=folder.parent) as written:
        copy.to(torch.float16).save_pretrained(written)
        tokenizer.save_pretrained(written)
        for file in sorted(Path(written).iterdir()):
            file.chmod(0o644)
            file.replace(folder / file.name)
