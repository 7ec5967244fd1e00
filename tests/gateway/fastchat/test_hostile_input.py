"""A FastChat worker refuses little by itself: what it is not meant to see is refused here."""

from __future__ import annotations

import json
from typing import Any

import pytest

from server.core.settings import GatewaySettings
from tests.fakes.spoiled import broken
from tests.fakes.upstream import upstream
from tests.gateway.conftest import gateway, view
from tests.gateway.fastchat.test_upstream import Worker

PART = {"type": "text", "text": "Hi"}
IMAGE = {"type": "image_url", "image_url": {"url": "data:image/png;base64,AA=="}}
MESSAGE = {"role": "user", "content": [PART], "name": "ann"}
ASKED: dict[str, Any] = {
    "model": "m", "stream": False, "stream_options": {"include_usage": True}, "max_tokens": 5,
    "n": 1, "temperature": 0, "top_p": 1, "top_k": 1, "repetition_penalty": 1,
    "presence_penalty": 0, "frequency_penalty": 0, "best_of": 1, "seed": 1, "stop": ["x"],
    "logprobs": None, "tools": [], "response_format": {"type": "text"}, "user": "ann",
}  # fmt: skip
GOOD: dict[str, dict[str, Any]] = {
    "/v1/chat/completions": ASKED | {"messages": [MESSAGE], "max_completion_tokens": 5},
    "/v1/completions": ASKED | {"prompt": "Hi", "echo": False},
    "/v1/embeddings": {"model": "m", "input": ["Hi"], "encoding_format": "float"},
}


def bodies(good: dict[str, Any]) -> list[tuple[str, dict[str, Any]]]:
    found = broken(good)
    if "messages" in good:
        parts = [*broken(PART), *broken(IMAGE)]
        messages = broken(MESSAGE) + [(w, MESSAGE | {"content": [part]}) for w, part in parts]
        found += [(w, good | {"messages": [message]}) for w, message in messages]
    return found


@pytest.mark.parametrize("path", GOOD)
async def test_a_wrong_value_in_any_field_is_no_fault_of_the_gateway(path: str) -> None:
    worker = Worker()
    worker.answers["/worker_get_embeddings"] = {"embedding": [[0.5]], "token_num": 1}
    failed = []
    async with upstream(worker.serve) as fake:
        there = view(fake.url, protocol="fastchat", slots=1000)
        async with gateway(there, settings=GatewaySettings(affinity="session")) as served:
            for what, body in bodies(GOOD[path]):
                answer = await served.client.post(path, content=json.dumps(body))
                if answer.status_code >= 500:
                    failed.append(f"{what}: {answer.text:.200}")
                elif answer.status_code >= 400 and len(answer.content) > 2_000:
                    failed.append(f"{what}: {len(answer.content)} bytes of refusal")
            good = await served.client.post(path, content=json.dumps(GOOD[path]))
    assert failed == []
    assert good.status_code == 200, good.text
