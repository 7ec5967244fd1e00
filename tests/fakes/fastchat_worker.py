"""A worker on FastChat's own `BaseModelWorker`, without torch: it answers with its prompt.

    python -m tests.fakes.fastchat_worker CONTROLLER_URL PORT MODEL

It stops at the first stop string, counts characters as tokens, and knows a few magic words.
"""

from __future__ import annotations

import json
import os
import sys
import time
from collections.abc import Iterator
from typing import Any

import uvicorn
from fastchat.constants import ErrorCode
from fastchat.conversation import get_conv_template
from fastchat.serve import base_model_worker as base

CONTEXT = 4096
STEP_S = 0.01


class EchoWorker(base.BaseModelWorker):  # type: ignore[misc]
    def __init__(self, controller: str, address: str, model: str) -> None:
        super().__init__(controller, address, "echo", model, [model], 5, conv_template="zero_shot")
        self.context_len = CONTEXT
        self.init_heart_beat()

    def make_conv_template(self, conv_template: str | None = None, model_path: str = "") -> Any:
        """The original imports transformers for models without a template."""
        return get_conv_template(conv_template)

    def count_token(self, params: dict[str, Any]) -> dict[str, int]:
        return {"count": len(params["prompt"]), "error_code": 0}

    def generate_stream_gate(self, params: dict[str, Any]) -> Iterator[bytes]:
        self.call_ct += 1
        prompt = params["prompt"]
        if "fail" in prompt:
            yield _piece("no more memory", ErrorCode.CUDA_OUT_OF_MEMORY)
            return
        text, reason = _answer(params)
        for end in range(1, len(text) + 1):
            time.sleep(STEP_S)
            yield _piece(text[:end], usage=_usage(prompt, end))
            if "die" in prompt and end == 3:
                os._exit(9)
        yield _piece(text, usage=_usage(prompt, len(text)), finish_reason=reason)

    def generate_gate(self, params: dict[str, Any]) -> Any:
        *_, last = self.generate_stream_gate(params)
        return json.loads(last[:-1])

    def get_embeddings(self, params: dict[str, Any]) -> dict[str, Any]:
        return {
            "embedding": [[float(len(text)), 0.5] for text in params["input"]],
            "token_num": sum(len(text) for text in params["input"]),
        }


def _answer(params: dict[str, Any]) -> tuple[str, str]:
    """The last thing the human said, cut at a stop string or at the limit."""
    text = params["prompt"].split("Human: ")[-1].removesuffix("\n### Assistant:")
    for stop in params["stop"] or ():
        text = text.partition(stop)[0]
    limit = params["max_new_tokens"]
    return (text, "stop") if len(text) <= limit else (text[:limit], "length")


def _usage(prompt: str, tokens: int) -> dict[str, int]:
    return {
        "prompt_tokens": len(prompt),
        "completion_tokens": tokens,
        "total_tokens": len(prompt) + tokens,
    }


def _piece(text: str, error_code: int = 0, **more: Any) -> bytes:
    value = {"text": text, "error_code": error_code, "finish_reason": None, **more}
    return json.dumps(value).encode() + b"\0"


if __name__ == "__main__":
    _, controller_url, port, model = sys.argv
    EchoWorker(controller_url, f"http://127.0.0.1:{port}", model)
    uvicorn.run(base.app, host="127.0.0.1", port=int(port), log_level="warning")
