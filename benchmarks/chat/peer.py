"""The usual way to put a chat in front of an OpenAI API: `python -m benchmarks.chat.peer`.

An LCEL chain of prompt, chat model and string parser, an httpx client that reads line by line, and
one server-sent event for each token. It stores nothing, resumes nothing and checks nothing, so it
is cheaper than it would be in earnest. Its first line of input says which gateway; it serves until
its input ends.
"""

from __future__ import annotations

import json
import sys
from collections.abc import AsyncIterator
from typing import Any

import httpx
from langchain_core.callbacks import AsyncCallbackManagerForLLMRun, CallbackManagerForLLMRun
from langchain_core.language_models import BaseChatModel
from langchain_core.messages import AIMessageChunk, BaseMessage
from langchain_core.output_parsers import StrOutputParser
from langchain_core.outputs import ChatGenerationChunk, ChatResult
from langchain_core.prompts import ChatPromptTemplate
from pydantic import ConfigDict
from sse_starlette import EventSourceResponse
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from benchmarks.chat.serving import serve
from benchmarks.gateway.answers import MODEL
from benchmarks.gateway.messages import Frozen

TIMEOUT_S = 60.0


class Peering(Frozen):
    gateway_url: str


class LineModel(BaseChatModel):
    """Reads an OpenAI stream by its lines and makes one chunk of each event."""

    model_config = ConfigDict(arbitrary_types_allowed=True)

    http: httpx.AsyncClient
    url: str

    @property
    def _llm_type(self) -> str:
        return "lines"

    async def _astream(
        self,
        messages: list[BaseMessage],
        stop: list[str] | None = None,
        run_manager: AsyncCallbackManagerForLLMRun | None = None,
        **kwargs: Any,
    ) -> AsyncIterator[ChatGenerationChunk]:
        said = [{"role": "user", "content": message.text} for message in messages]
        body = {"model": MODEL, "messages": said, "stream": True}
        async with self.http.stream("POST", self.url, json=body) as answer:
            answer.raise_for_status()
            async for line in answer.aiter_lines():
                if line.startswith("data: {"):
                    delta = json.loads(line[6:])["choices"][0]["delta"]
                    yield ChatGenerationChunk(
                        message=AIMessageChunk(content=delta.get("content", ""))
                    )

    def _generate(
        self,
        messages: list[BaseMessage],
        stop: list[str] | None = None,
        run_manager: CallbackManagerForLLMRun | None = None,
        **kwargs: Any,
    ) -> ChatResult:
        raise NotImplementedError


def create_peer(gateway_url: str) -> Starlette:
    limits = httpx.Limits(max_connections=None)
    http = httpx.AsyncClient(trust_env=False, timeout=TIMEOUT_S, limits=limits)
    model = LineModel(http=http, url=f"{gateway_url}/v1/chat/completions")
    chain = ChatPromptTemplate.from_messages([("user", "{query}")]) | model | StrOutputParser()

    async def frames(query: str) -> AsyncIterator[dict[str, str]]:
        async for text in chain.astream({"query": query}):
            yield {"data": json.dumps({"text": text})}
        yield {"event": "done", "data": "{}"}

    async def chat(request: Request) -> Response:
        return EventSourceResponse(frames((await request.json())["query"]), sep="\n")

    return Starlette(routes=[Route("/chat", chat, methods=["POST"])])


def main() -> None:
    peering = Peering.model_validate_json(sys.stdin.readline())
    serve(create_peer(peering.gateway_url))


if __name__ == "__main__":
    main()
