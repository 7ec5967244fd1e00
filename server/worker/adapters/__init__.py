"""LoRA adapters: models of their own over one that is loaded once."""
