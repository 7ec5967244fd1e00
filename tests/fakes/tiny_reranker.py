"""A random reranker of 4 MB with the bundled embedding model's tokenizer."""

from __future__ import annotations

from pathlib import Path

from server.core.settings import ModelSettings
from server.worker.weights.files import find_model

POSITIONS = 128


def tiny_reranker(folder: Path, *, kin: str = "bert", labels: int = 1) -> Path:
    """Always the same model, made where it is not yet there. `kin`: as transformers calls it."""
    import torch  # not before it is needed: most tests that find this file are not about models
    from transformers import AutoConfig, AutoModelForSequenceClassification, AutoTokenizer

    if (folder / "config.json").exists():
        return folder
    bundled = ModelSettings(name="minilm", path="bundled:all-MiniLM-L6-v2", engine="embeddings")
    words = AutoTokenizer.from_pretrained(find_model(bundled, print))
    words.model_max_length = 10**30  # as many have it; then their positions are the limit
    words.save_pretrained(folder)
    torch.manual_seed(7)
    config = AutoConfig.for_model(
        kin,
        vocab_size=len(words),
        hidden_size=32,
        intermediate_size=64,
        num_hidden_layers=2,
        num_attention_heads=4,
        max_position_embeddings=POSITIONS,
        type_vocab_size=2,
        num_labels=labels,
        initializer_range=0.4,  # so that its scores differ
    )
    model = AutoModelForSequenceClassification.from_config(config)  # type: ignore[no-untyped-call]
    model.save_pretrained(folder)
    return folder
