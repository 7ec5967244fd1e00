"""Embeddings in OpenAI's JSON; pure functions."""

from __future__ import annotations

import base64
import struct
from collections.abc import Sequence
from typing import Any

from server.worker.asked import Embedded


def embedding_list(embedded: Embedded, model: str, *, as_base64: bool) -> dict[str, Any]:
    return {
        "object": "list",
        "data": [
            {
                "object": "embedding",
                "index": index,
                "embedding": encoded(vector) if as_base64 else vector,
            }
            for index, vector in enumerate(embedded.vectors)
        ],
        "model": model,
        "usage": {"prompt_tokens": embedded.tokens, "total_tokens": embedded.tokens},
    }


def encoded(vector: Sequence[float]) -> str:
    """Little-endian float32, in base64."""
    return base64.b64encode(struct.pack(f"<{len(vector)}f", *vector)).decode()
