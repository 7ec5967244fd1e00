"""`POST /tokenize` and `/detokenize`, as vLLM has them: the tokens of a chat or a prompt, and back.

Exact, because the same template and tokenizer make the prompts that are answered. They take no
slot: whoever waits in the queue may still count.

https://docs.vllm.ai/en/latest/serving/openai_compatible_server.html#tokenizer-api
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated, Self

from pydantic import Field, model_validator

from server.core.errors import BadRequest
from server.core.limits import FIRST_TOKEN_S, MAX_CHAT_BYTES
from server.web.asgi import Receive, Scope, Send, send_json
from server.web.bodies import read_json
from server.web.patience import Patience
from server.web.table import Routes
from server.wire.openai import MAX_MESSAGES, Request, TemplateVariables
from server.wire.openai_inputs import MAX_PROMPT_TOKENS, TokenId
from server.wire.openai_messages import Message
from server.wire.openai_tools import Tools
from server.worker.asked import Prompt, Text, Tokens
from server.worker.local.bodies import parsed
from server.worker.local.conversation import conversation
from server.worker.local.model import Model

TOKENIZE = "/tokenize"
DETOKENIZE = "/detokenize"


class TokenizeRequest(Request):
    """Either `messages` or `prompt`. The mark that begins an answer is always counted."""

    messages: (
        Annotated[list[Message], Field(fail_fast=True, min_length=1, max_length=MAX_MESSAGES)]
        | None
    ) = None
    tools: Tools | None = None
    """That the chat is offered."""
    chat_template_kwargs: TemplateVariables | None = None
    prompt: str | None = None
    return_token_strs: bool | None = None

    @model_validator(mode="after")
    def _one_of_them(self) -> Self:
        if (self.messages is None) == (self.prompt is None):
            raise ValueError("give either messages or prompt")
        return self

    @property
    def asked(self) -> Prompt:
        if self.messages is None:
            return Text(self.prompt or "")
        offered = [tool.function for tool in self.tools or ()]
        return conversation(self.messages, offered, variables=self.chat_template_kwargs)


class DetokenizeRequest(Request):
    tokens: Annotated[list[TokenId], Field(fail_fast=True, max_length=MAX_PROMPT_TOKENS)]


class TokenizeRoute:
    def __init__(self, model: Model) -> None:
        self._model = model

    def routes(self) -> Routes:
        return {
            ("POST", TOKENIZE): self.tokenize,
            ("POST", DETOKENIZE): self.detokenize,
        }

    async def tokenize(self, scope: Scope, receive: Receive, send: Send) -> None:
        request = parsed(TokenizeRequest, await read_json(scope, receive, MAX_CHAT_BYTES))
        self._model.check(request.model, "completions" if request.messages is None else "chat")
        with Patience(receive, self._model.drain, FIRST_TOKEN_S):
            prepared = await self._model.prepare(request.asked)
            ids = self._model.engine.token_ids(prepared)
            texts = await self._texts(ids) if request.return_token_strs else None
            answer = {
                "count": prepared.tokens,
                "max_model_len": self._model.engine.context_length,
                "tokens": ids,
                "token_strs": texts,
            }
            await send_json(send, answer)

    async def detokenize(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Special tokens are told as they are written."""
        request = parsed(DetokenizeRequest, await read_json(scope, receive, MAX_CHAT_BYTES))
        self._model.check(request.model, "completions")
        with Patience(receive, self._model.drain, FIRST_TOKEN_S):
            await send_json(send, {"prompt": await self._text(tuple(request.tokens))})

    async def _texts(self, ids: Sequence[int]) -> list[str]:
        """Of each token alone; a part of a character has none that can be shown."""
        found = {token: await self._text((token,)) for token in dict.fromkeys(ids)}
        return [found[token] for token in ids]

    async def _text(self, ids: tuple[int, ...]) -> str:
        """They need not fit into the context: nobody goes on from there."""
        if not ids:
            return ""
        try:
            return (await self._model.engine.prepare(Tokens(ids))).text
        except BadRequest as error:
            raise BadRequest(error.message, param="tokens", code=error.code) from error
