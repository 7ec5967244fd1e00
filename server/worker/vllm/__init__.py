"""vLLM: its processes, its words for what is asked of it, and what of the machine it may have."""
