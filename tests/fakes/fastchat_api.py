"""FastChat's own OpenAI API server, with the one repair that it needs to serve today.

    python -m tests.fakes.fastchat_api CONTROLLER_URL PORT

pydantic 2 refuses `chunk.json(ensure_ascii=False)`, with which fschat 0.2.36 writes every event of
a stream ("`dumps_kwargs` keyword arguments are no longer supported"). Can go with an fschat that
writes `model_dump_json`.
"""

from __future__ import annotations

import sys
from typing import Any

import uvicorn
from fastchat.protocol import openai_api_protocol as protocol


def _json(self: Any, *, ensure_ascii: bool | None = None, **options: Any) -> str:
    text: str = self.model_dump_json(**options)
    return text


def repair() -> None:
    for kind in (protocol.ChatCompletionStreamResponse, protocol.CompletionStreamResponse):
        kind.json = _json


if __name__ == "__main__":
    _, controller_url, port = sys.argv
    repair()
    from fastchat.serve import openai_api_server as server

    server.app_settings.controller_address = controller_url
    uvicorn.run(server.app, host="127.0.0.1", port=int(port), log_level="warning")
