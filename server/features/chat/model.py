"""The model behind the gateway as LangChain knows models.

LangChain's own client for OpenAI's API costs some 150 µs a token, in object validation that
nothing here looks at; this one reads the gateway's bytes as they come (`server/clients/gateway.py`)
and makes one chunk of all tokens that came together.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping
from contextlib import aclosing
from typing import Any

from langchain_core.callbacks import AsyncCallbackManagerForLLMRun, CallbackManagerForLLMRun
from langchain_core.language_models import BaseChatModel
from langchain_core.messages import AIMessageChunk, BaseMessage
from langchain_core.messages.ai import UsageMetadata
from langchain_core.outputs import ChatGenerationChunk, ChatResult
from pydantic import ConfigDict

from server.clients.chat_stream import Piece
from server.clients.gateway import GatewayClient

_ROLES = {"human": "user", "ai": "assistant", "system": "system"}


class GatewayModel(BaseChatModel):
    """Streams answers of one model. Raises what `GatewayClient.chat` raises."""

    model_config = ConfigDict(arbitrary_types_allowed=True)

    gateway: GatewayClient
    model: str
    options: Mapping[str, Any] = {}
    """Further fields of the request, as OpenAI calls them."""

    @property
    def _llm_type(self) -> str:
        return "shortline-gateway"

    async def _astream(
        self,
        messages: list[BaseMessage],
        stop: list[str] | None = None,
        run_manager: AsyncCallbackManagerForLLMRun | None = None,
        *,
        request_id: str = "",
        **kwargs: Any,
    ) -> AsyncIterator[ChatGenerationChunk]:
        body = {**self.options, "model": self.model, "messages": as_openai(messages)}
        if stop:
            body["stop"] = stop
        async with aclosing(self.gateway.chat(body, request_id)) as pieces:
            async for piece in pieces:
                yield ChatGenerationChunk(message=_chunk(piece))

    def _generate(
        self,
        messages: list[BaseMessage],
        stop: list[str] | None = None,
        run_manager: CallbackManagerForLLMRun | None = None,
        **kwargs: Any,
    ) -> ChatResult:
        raise NotImplementedError("this model can only be streamed: use astream")


def as_openai(messages: list[BaseMessage]) -> list[dict[str, str]]:
    return [{"role": _ROLES[message.type], "content": message.text} for message in messages]


def _chunk(piece: Piece) -> AIMessageChunk:
    usage = piece.usage
    return AIMessageChunk(
        content=piece.text,
        response_metadata={"finish_reason": piece.finish_reason} if piece.finish_reason else {},
        usage_metadata=UsageMetadata(
            input_tokens=usage.get("prompt_tokens", 0),
            output_tokens=usage.get("completion_tokens", 0),
            total_tokens=usage.get("total_tokens", 0),
        )
        if usage
        else None,
    )
